//! Lists in pages. moto has pages for some lists and not for others, and never short ones.

use xmltree::{Element, XMLNode};

use super::query::{Query, Refusal};
use super::xml;

/// A list that comes in pages, and how it names what concerns them.
#[derive(Debug)]
pub(super) struct Pages {
    /// The element that holds the list.
    list: &'static str,
    /// The parameter that says how many items a page has at most.
    size: &'static str,
    /// The element of the next page's token.
    token: &'static str,
    /// The largest page that moto gives: all that there is, in a test.
    most: &'static str,
}

/// A page that a client asks for.
#[derive(Debug)]
pub(super) struct Page {
    pages: &'static Pages,
    start: usize,
    size: usize,
}

impl Pages {
    /// What is known of an action's pages, if its answers have any.
    pub(super) fn of(action: &str) -> Option<&'static Self> {
        const fn ec2(list: &'static str) -> Pages {
            Pages {
                list,
                size: "MaxResults",
                token: "nextToken",
                most: "1000",
            }
        }
        const fn autoscaling(list: &'static str) -> Pages {
            Pages {
                list,
                size: "MaxRecords",
                token: "NextToken",
                most: "100",
            }
        }
        Some(match action {
            "DescribeSnapshots" => const { &ec2("snapshotSet") },
            "DescribeVolumes" => const { &ec2("volumeSet") },
            "DescribeInstances" => const { &ec2("reservationSet") },
            "DescribeAutoScalingGroups" => const { &autoscaling("AutoScalingGroups") },
            "DescribeAutoScalingInstances" => const { &autoscaling("AutoScalingInstances") },
            "DescribeWarmPool" => const { &autoscaling("Instances") },
            _ => return None,
        })
    }

    /// The page that is asked for, and the call that asks for all pages. No page is larger than `limit`.
    pub(super) fn split(
        &'static self,
        query: &Query,
        limit: usize,
    ) -> Result<(Query, Page), Refusal> {
        let number = |name: &str, missing: usize| match query.get(name) {
            None => Ok(missing),
            Some(text) => text.parse().map_err(|_| {
                let code = "InvalidParameterValue";
                Refusal::of_request(code, &format!("'{text}' is no value for {name}"))
            }),
        };
        let page = Page {
            pages: self,
            start: number("NextToken", 0)?,
            size: number(self.size, limit)?.clamp(1, limit),
        };
        let mut whole = query.clone();
        let is_ours = |name: &str| name == self.size || name == "NextToken";
        whole.params.retain(|(name, _)| !is_ours(name));
        // EC2 wants either ids or a size.
        let by_id = |(name, _): &(String, String)| name.contains("Id.");
        if query.get(self.size).is_some() || !whole.params.iter().any(by_id) {
            whole.params.push((self.size.into(), self.most.into()));
        }
        Ok((whole, page))
    }
}

impl Page {
    /// Leaves the page in an answer, and the next one's token.
    pub(super) fn cut(&self, answer: &mut Element) {
        let Some(list) = xml::find_mut(answer, self.pages.list) else {
            return;
        };
        let end = self.start.saturating_add(self.size);
        let mut items = std::mem::take(&mut list.children);
        let is_last = items.len() <= end;
        items.truncate(end);
        list.children = items.split_off(self.start.min(items.len()));
        if !is_last {
            // Beside the list, wherever that is.
            let token = XMLNode::Element(xml::leaf(self.pages.token, &end.to_string()));
            let parent = xml::parent_of_mut(answer, self.pages.list);
            parent.expect("it was found above").children.push(token);
        }
    }
}
