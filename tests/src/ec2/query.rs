//! The query protocol: a form goes in, XML comes out.

use xmltree::Element;

use super::xml;
use crate::http::{Answer, Request};

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// The caller's access key.
    pub(super) caller: String,
    pub(super) service: String,
    pub(super) region: String,
    pub(super) action: String,
    /// All but action and version, in their order.
    pub(super) params: Vec<(String, String)>,
}

/// A service's no.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

/// A filter, and the values of which one has to fit.
pub(super) type Filter = (String, Vec<String>);

/// What it takes to tag something, at once or later.
pub(super) const TAGGING: &str = "ec2:CreateTags";

/// Does a parameter tag what is being made?
pub(super) fn is_of_tags(param: &str) -> bool {
    param.starts_with("TagSpecification.")
}

impl Query {
    /// What a policy calls it, such as `ec2:DescribeVolumes`.
    pub(super) fn permission(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }

    /// Does it make something with tags?
    pub(super) fn has_tags(&self) -> bool {
        self.params.iter().any(|(name, _)| is_of_tags(name))
    }

    /// What a client asks, if it speaks this protocol.
    pub(super) fn parse(request: &Request) -> Option<Self> {
        // Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
        let authorization = request.header("authorization")?;
        let (_, scope) = authorization.split_once("Credential=")?;
        let mut scope = scope.split(',').next()?.split('/');
        let (caller, _date) = (scope.next()?, scope.next()?);
        let (region, service) = (scope.next()?, scope.next()?);
        let form = form_urlencoded::parse(&request.body).into_owned();
        let mut params: Vec<_> = form.collect();
        let (_, action) = params.iter().find(|(name, _)| name == "Action")?.clone();
        params.retain(|(name, _)| name != "Action" && name != "Version");
        Some(Self {
            caller: caller.to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            action,
            params,
        })
    }

    /// A call to EC2 of the rig's own.
    pub(super) fn ec2(region: &str, action: &str, params: &[(&str, &str)]) -> Self {
        Self::new("ec2", region, action, params)
    }

    pub(super) fn new(service: &str, region: &str, action: &str, params: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            caller: "rig".to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            action: action.to_owned(),
            params: params.iter().map(own).collect(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter();
        let (_, value) = params.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// A parameter without which there is no answer.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        let refusal = || {
            let message = format!("The request must contain the parameter {name}");
            Refusal::new(400, "MissingParameter", &message)
        };
        self.get(name).ok_or_else(refusal)
    }

    /// The values of `NAME.1`, `NAME.2`, …
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let numbered = (1..).map(|number| self.get(&format!("{name}.{number}")));
        (numbered.map_while(|value| value))
            .map(ToOwned::to_owned)
            .collect()
    }

    /// Takes out the filters that are `ours`, and renumbers the others.
    pub(super) fn take_filters(&mut self, ours: &[&str]) -> Vec<Filter> {
        let named = (1..).map_while(|number| {
            let name = self.get(&format!("Filter.{number}.Name"))?.to_owned();
            Some((name, self.list(&format!("Filter.{number}.Value"))))
        });
        let (taken, others): (Vec<Filter>, Vec<_>) =
            named.partition(|(name, _)| ours.contains(&name.as_str()));
        (self.params).retain(|(name, _)| !name.starts_with("Filter."));
        for (index, (name, values)) in (1..).zip(others) {
            self.params.push((format!("Filter.{index}.Name"), name));
            for (number, value) in (1..).zip(values) {
                let param = format!("Filter.{index}.Value.{number}");
                self.params.push((param, value));
            }
        }
        taken
    }

    /// Asks for the same by a filter: where one of the ids is unknown, moto refuses with the names of all.
    pub(super) fn turn_ids_into_filter(&mut self, param: &str, filter: &str) {
        let ids = self.list(param);
        if ids.is_empty() {
            return;
        }
        let prefix = format!("{param}.");
        (self.params).retain(|(name, _)| !name.starts_with(&prefix));
        let taken = |number| self.get(&format!("Filter.{number}.Name")).is_some();
        let index = (1..).find(|number| !taken(*number)).unwrap_or(1);
        self.params
            .push((format!("Filter.{index}.Name"), filter.to_owned()));
        for (number, id) in (1..).zip(ids) {
            self.params
                .push((format!("Filter.{index}.Value.{number}"), id));
        }
    }

    /// As the service's clients send it.
    pub(super) fn encode(&self) -> String {
        let version = match self.service.as_str() {
            "autoscaling" => "2011-01-01",
            "sts" => "2011-06-15",
            _ => "2016-11-15",
        };
        form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", &self.action)
            .append_pair("Version", version)
            .extend_pairs(&self.params)
            .finish()
    }

    /// What tells moto service and region. It checks no signature.
    pub(super) fn authorization(&self) -> String {
        let (region, service) = (&self.region, &self.service);
        format!(
            "AWS4-HMAC-SHA256 Credential=rig/20200101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        )
    }

    /// What a client is told.
    pub(super) fn answer(&self, answer: Result<Element, Refusal>) -> Answer {
        let (status, element) = match answer {
            Ok(element) => (200, element),
            Err(refusal) if self.service == "ec2" => (refusal.status, refusal.of_ec2()),
            Err(refusal) => (refusal.status, refusal.of_others()),
        };
        Answer::new(status, "text/xml;charset=UTF-8", xml::bytes(&element))
    }
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// What the caller got wrong, which is most of what is refused.
    pub(super) fn of_request(code: &str, message: &str) -> Self {
        Self::new(400, code, message)
    }

    pub(super) fn dry_run() -> Self {
        let message = "Request would have succeeded, but DryRun flag is set.";
        Self::new(412, "DryRunOperation", message)
    }

    /// What moto refused with.
    pub(super) fn of_answer(query: &Query, answer: &Answer) -> Self {
        let parsed = Element::parse(answer.body.as_slice()).ok();
        let error = parsed.as_ref().and_then(|root| xml::find(root, "Error"));
        match error {
            Some(error) => Self {
                status: answer.status,
                code: xml::text(error, "Code").unwrap_or_default(),
                message: xml::text(error, "Message").unwrap_or_default(),
            },
            // A page of HTML: it has stumbled.
            None => Self::new(
                500,
                "InternalError",
                &format!("moto can't answer {}: see target/moto.log", query.action),
            ),
        }
    }

    fn of_ec2(&self) -> Element {
        let error = xml::parent(
            "Error",
            [
                xml::leaf("Code", &self.code),
                xml::leaf("Message", &self.message),
            ],
        );
        xml::parent(
            "Response",
            [
                xml::parent("Errors", [error]),
                xml::leaf("RequestID", "rig"),
            ],
        )
    }

    fn of_others(&self) -> Element {
        let error = xml::parent(
            "Error",
            [
                xml::leaf("Type", "Sender"),
                xml::leaf("Code", &self.code),
                xml::leaf("Message", &self.message),
            ],
        );
        xml::parent("ErrorResponse", [error, xml::leaf("RequestId", "rig")])
    }
}
