//! An Auto Scaling group whose instances are real hosts: their private addresses are loopback's, and
//! sshd answers there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::{Value, json};

use crate::ec2::{Ec2, REGION};
use crate::sshd::{Rack, Sshd, SshdOptions};

/// A group. Its hosts end with it; what the cloud knows of it stays.
#[derive(Debug)]
pub struct Group {
    ec2: Ec2,
    rack: Rack,
    name: String,
    port: u16,
    hosts: Vec<(Instance, Sshd)>,
}

/// An instance of a group, booted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Such as `i-0123456789abcdef0`.
    pub id: String,
    /// Its private address.
    pub address: IpAddr,
}

impl Group {
    /// A group without instances, in zone `a`, tagged `role` = its name. It has a network, a key pair and
    /// a launch template of its own.
    pub fn new(ec2: &Ec2, rack: &Rack, name: &str) -> Self {
        let block = unused_block();
        let port = free_port(Ipv4Addr::new(127, 0, block, 4));
        Self::at(ec2, rack, name, block, port)
    }

    /// Another group without instances, whose hosts will listen at the same port.
    pub fn beside(&self, name: &str) -> Self {
        Self::at(&self.ec2, &self.rack, name, unused_block(), self.port)
    }

    fn at(ec2: &Ec2, rack: &Rack, name: &str, block: u8, port: u16) -> Self {
        let args = json!({"name": name, "zone": format!("{REGION}a"), "block": block});
        ec2.aside(SET_UP, &args);
        Self {
            ec2: ec2.clone(),
            rack: rack.clone(),
            name: name.to_owned(),
            port,
            hosts: Vec::new(),
        }
    }

    /// A group with so many instances, each of which is a host.
    pub fn with_hosts(ec2: &Ec2, rack: &Rack, name: &str, hosts: usize) -> Self {
        let mut group = Self::new(ec2, rack, name);
        group.add(hosts);
        group
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port at which all its hosts listen.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Launches so many instances more. Nobody answers at their addresses yet.
    pub fn launch(&self, more: usize) -> Vec<Instance> {
        let args = json!({"name": self.name, "more": more});
        let launched = self.ec2.aside(LAUNCH, &args);
        let launched = launched.as_array().expect("the snippet makes a list");
        launched.iter().map(Instance::of).collect()
    }

    /// Starts the host that an instance is.
    pub fn boot(&mut self, instance: &Instance, options: SshdOptions) -> &Sshd {
        let address = SocketAddr::new(instance.address, self.port);
        let host = self.rack.start(SshdOptions {
            address: Some(address),
            ..options
        });
        self.hosts.push((instance.clone(), host));
        &self.hosts[self.hosts.len() - 1].1
    }

    /// Lets an instance's console show its host's key, as cloud-init does.
    pub fn show_host_key(&self, instance: &str) {
        let key = self.host(instance).expect("it is a host").public_key();
        let text = format!(
            "cloud-init: running\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n{}\r\n-----END SSH HOST KEY KEYS-----\r\nlogin: ",
            key.trim_end()
        );
        self.ec2.set_console(instance, &text);
    }

    /// Launches so many instances more, and starts their hosts.
    pub fn add(&mut self, more: usize) -> Vec<Instance> {
        let instances = self.launch(more);
        for instance in &instances {
            self.boot(instance, SshdOptions::default());
        }
        instances
    }

    /// From now on nobody answers at an instance's address, though it runs.
    pub fn cut_off(&mut self, instance: &str) {
        self.hosts.retain(|(known, _)| known.id != instance);
    }

    /// Ends an instance, and its host if it has one. The group gets smaller by one.
    pub fn terminate(&mut self, instance: &str) {
        self.hosts.retain(|(known, _)| known.id != instance);
        self.ec2.aside(TERMINATE, &json!({"instance": instance}));
    }

    /// Stops an instance, as those of a warm pool are, and its host.
    pub fn stop(&mut self, instance: &str) {
        self.hosts.retain(|(known, _)| known.id != instance);
        self.ec2.aside(STOP, &json!({"instance": instance}));
    }

    /// An instance's lifecycle state, such as `Pending:Wait` or `Standby`; `None`: as moto has it.
    pub fn set_lifecycle(&self, instance: &str, state: Option<&str>) {
        self.ec2.set_lifecycle(instance, state);
    }

    /// The instances that are hosts, in the order in which they were started.
    pub fn instances(&self) -> Vec<Instance> {
        self.hosts
            .iter()
            .map(|(instance, _)| instance.clone())
            .collect()
    }

    /// Their hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &Sshd> {
        self.hosts.iter().map(|(_, host)| host)
    }

    /// The host that an instance is.
    pub fn host(&self, instance: &str) -> Option<&Sshd> {
        let mut hosts = self.hosts.iter();
        let (_, host) = hosts.find(|(known, _)| known.id == instance)?;
        Some(host)
    }
}

impl Instance {
    fn of(value: &Value) -> Self {
        let address = value["address"].as_str().and_then(|text| text.parse().ok());
        Self {
            id: value["id"].as_str().unwrap_or_default().to_owned(),
            address: address.expect("an instance has an address"),
        }
    }
}

const SET_UP: &str = r#"
name, zone = args["name"], args["zone"]
vpc = ec2.create_vpc(CidrBlock="127.0.0.0/16")["Vpc"]["VpcId"]
cidr = f"127.0.{args['block']}.0/24"
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"]
ec2.create_key_pair(KeyName=f"{name}-key")
ec2.create_launch_template(
    LaunchTemplateName=f"{name}-template",
    LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.small", "KeyName": f"{name}-key"},
)
autoscaling.create_auto_scaling_group(
    AutoScalingGroupName=name, MinSize=0, MaxSize=100, DesiredCapacity=0, VPCZoneIdentifier=subnet,
    LaunchTemplate={"LaunchTemplateName": f"{name}-template", "Version": "$Latest"},
    Tags=[{"Key": "role", "Value": name, "PropagateAtLaunch": True}],
)
"#;

const LAUNCH: &str = r#"
def members():
    groups = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[args["name"]])
    return [member["InstanceId"] for member in groups["AutoScalingGroups"][0]["Instances"]]

before = members()
autoscaling.set_desired_capacity(
    AutoScalingGroupName=args["name"], DesiredCapacity=len(before) + args["more"])
new = [member for member in members() if member not in before]
result = []
if new:
    for reservation in ec2.describe_instances(InstanceIds=new)["Reservations"]:
        for instance in reservation["Instances"]:
            result.append({"id": instance["InstanceId"], "address": instance["PrivateIpAddress"]})
"#;

const TERMINATE: &str = r#"
autoscaling.terminate_instance_in_auto_scaling_group(
    InstanceId=args["instance"], ShouldDecrementDesiredCapacity=True)
"#;

const STOP: &str = r#"
ec2.stop_instances(InstanceIds=[args["instance"]])
"#;

/// One of the networks 127.0.x.0/24 in which no other group of this process is.
fn unused_block() -> u8 {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % 200 + 20
}

fn free_port(address: Ipv4Addr) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    const LIST: &str = r#"
group, = autoscaling.describe_auto_scaling_groups(
    Filters=[{"Name": "tag:role", "Values": ["web"]}])["AutoScalingGroups"]
states = {member["InstanceId"]: member["LifecycleState"] for member in group["Instances"]}
instances = ec2.describe_instances(InstanceIds=list(states))["Reservations"] if states else []
result = {instance["InstanceId"]: [instance["PrivateIpAddress"], states[instance["InstanceId"]]]
          for reservation in instances for instance in reservation["Instances"]}
"#;

    #[test]
    fn its_instances_answer_where_the_api_says() {
        let ec2 = Ec2::start();
        let rack = Rack::new();
        let mut group = Group::with_hosts(&ec2, &rack, "web", 2);
        let late = group.launch(1).remove(0);
        assert!(TcpStream::connect((late.address, group.port())).is_err());
        group.boot(&late, SshdOptions::default());
        group.set_lifecycle(&late.id, Some("Pending:Wait"));
        let listed = ec2.boto(LIST, &json!({})).unwrap();
        assert_eq!(listed.as_object().unwrap().len(), 3);
        for instance in group.instances() {
            let address = listed[&instance.id][0].as_str().unwrap();
            assert_eq!(address, instance.address.to_string());
            let host = group.host(&instance.id).unwrap();
            assert_eq!(
                host.address().to_string(),
                format!("{address}:{}", group.port())
            );
            assert!(TcpStream::connect(host.address()).is_ok());
            group.show_host_key(&instance.id);
            let read = "result = ec2.get_console_output(InstanceId=args)['Output']";
            let console = ec2.boto(read, &json!(instance.id)).unwrap();
            assert!(console.as_str().unwrap().contains(host.public_key().trim()));
            let is_late = instance == late;
            let state = if is_late { "Pending:Wait" } else { "InService" };
            assert_eq!(listed[&instance.id][1], state);
        }
    }

    #[test]
    fn an_instance_ends_with_its_host_and_its_volume() {
        let ec2 = Ec2::start();
        let rack = Rack::new();
        let mut group = Group::new(&ec2, &rack, "web");
        let before = ec2.inventory();
        let instance = group.add(1).remove(0);
        assert_eq!(ec2.inventory().leaks_since(&before).len(), 1);
        let address = group.host(&instance.id).unwrap().address();
        group.terminate(&instance.id);
        assert!(TcpStream::connect(address).is_err());
        assert_eq!(ec2.boto(LIST, &json!({})).unwrap(), json!({}));
        assert_eq!(ec2.inventory(), before);
    }
}
