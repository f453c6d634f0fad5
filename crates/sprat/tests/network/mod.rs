//! Machines with addresses of their own, joined by one switch: network namespaces, for which Linux, root and `ip` are
//! needed.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Machines joined by one switch. They are gone when this is dropped.
pub(crate) struct Network {
    prefix: String,
    machines: Vec<String>,
}

impl Network {
    /// Without any machine; or the reason for which there can be none here.
    pub(crate) fn new() -> Result<Self, String> {
        // Tests may share a process.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("sprat{}-{number}", std::process::id());
        let network = Self { machines: vec![format!("{prefix}-switch")], prefix };
        let switch = &network.machines[0];
        ip(&["netns", "add", switch])?;
        ip(&["-n", switch, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", switch, "link", "set", "bridge", "up"])?;
        Ok(network)
    }

    /// The same command, on the switch, which all packets pass.
    #[allow(dead_code, reason = "not every test that has a network looks into it")]
    pub(crate) fn on_switch(&self, command: &Command) -> Command {
        on(&self.machines[0], command)
    }

    /// Another machine.
    pub(crate) fn add(&mut self) -> Result<Machine, String> {
        let number = self.machines.len();
        let machine =
            Machine { name: format!("{}-{number}", self.prefix), address: format!("10.77.0.{number}") };
        let (name, switch) = (&machine.name, &self.machines[0].clone());
        let cable = format!("cable{number}");
        ip(&["netns", "add", name])?;
        self.machines.push(name.clone());
        ip(&["-n", switch, "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["-n", switch, "link", "set", &cable, "master", "bridge", "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        ip(&["-n", name, "address", "add", &format!("{}/24", machine.address), "dev", "eth0"])?;
        Ok(machine)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.machines {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// One machine of a [`Network`].
pub(crate) struct Machine {
    /// Of its namespace; no other test has the same.
    pub(crate) name: String,
    /// Known to the machines of its network alone.
    pub(crate) address: String,
}

impl Machine {
    /// The same command, on this machine.
    pub(crate) fn run(&self, command: &Command) -> Command {
        on(&self.name, command)
    }
}

fn on(namespace: &str, command: &Command) -> Command {
    let mut here = Command::new("ip");
    here.args(["netns", "exec", namespace]).arg(command.get_program()).args(command.get_args());
    here
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
