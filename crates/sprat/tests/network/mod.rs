//! Machines with addresses of their own, joined by one switch: network namespaces, for which Linux, root and `ip` are
//! needed.

#![allow(dead_code, reason = "not everybody who has a network needs all of it")]

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::Path;
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
        remove_leftovers()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}{}-{number}", std::process::id());
        let network = Self { machines: vec![format!("{prefix}-switch")], prefix };
        let switch = &network.machines[0];
        ip(&["netns", "add", switch])?;
        ip(&["-n", switch, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", switch, "link", "set", "bridge", "up"])?;
        Ok(network)
    }

    /// The same command, on the switch, which all packets pass.
    pub(crate) fn on_switch(&self, command: &Command) -> Command {
        on(&self.machines[0], command)
    }

    /// Another machine.
    pub(crate) fn add(&mut self) -> Result<Machine, String> {
        let number = self.machines.len();
        let machine = Machine {
            name: format!("{}-{number}", self.prefix),
            address: format!("10.77.0.{number}"),
            cable: format!("cable{number}"),
        };
        let (name, cable, switch) = (&machine.name, &machine.cable, &self.machines[0].clone());
        ip(&["netns", "add", name])?;
        self.machines.push(name.clone());
        ip(&["-n", switch, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        ip(&["-n", switch, "link", "set", cable, "master", "bridge", "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&["-n", name, "link", "set", "eth0", "up"])?;
        ip(&["-n", name, "address", "add", &format!("{}/24", machine.address), "dev", "eth0"])?;
        Ok(machine)
    }

    /// One more interface of a machine, on the same switch, with this address.
    pub(crate) fn add_interface(
        &self,
        machine: &Machine,
        interface: &str,
        address: &str,
    ) -> Result<(), String> {
        let (switch, name, cable) =
            (&self.machines[0], &machine.name, &format!("{}{interface}", machine.cable));
        ip(&["-n", switch, "link", "add", cable, "type", "veth", "peer", "name", interface, "netns", name])?;
        ip(&["-n", switch, "link", "set", cable, "master", "bridge", "up"])?;
        ip(&["-n", name, "link", "set", interface, "up"])?;
        ip(&["-n", name, "address", "add", &format!("{address}/24"), "dev", interface])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.machines {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// One machine of a [`Network`]: its interface is `eth0`.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Of its namespace; no other test has the same.
    pub(crate) name: String,
    /// Known to the machines of its network alone.
    pub(crate) address: String,
    /// The interface at the other end of its cable, on the switch.
    pub(crate) cable: String,
}

impl Machine {
    /// The same command, on this machine.
    pub(crate) fn run(&self, command: &Command) -> Command {
        on(&self.name, command)
    }

    /// Does something on this machine: sockets belong to it that are made there, wherever they are used.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, String> {
        // Each thread has a network of its own, and this one ends with what it was made for.
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                let namespace = File::open(Path::new(NAMESPACES).join(&self.name))
                    .map_err(|error| format!("{}: {error}", self.name))?;
                rustix::thread::move_into_link_name_space(
                    namespace.as_fd(),
                    Some(rustix::thread::LinkNameSpaceType::Network),
                )
                .map_err(|error| format!("cannot enter {}: {error}", self.name))?;
                Ok(act())
            });
            there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Machine {
    /// Its address is another one from now on.
    pub(crate) fn move_to(&mut self, address: &str) -> Result<(), String> {
        ip(&["-n", &self.name, "address", "delete", &format!("{}/24", self.address), "dev", "eth0"])?;
        address.clone_into(&mut self.address);
        ip(&["-n", &self.name, "address", "add", &format!("{}/24", self.address), "dev", "eth0"])
    }

    /// Its interface is switched on or off.
    pub(crate) fn set_link(&self, state: &str) -> Result<(), String> {
        ip(&["-n", &self.name, "link", "set", "eth0", state])
    }
}

/// What the names of our namespaces begin with; the process id of who made them follows.
const PREFIX: &str = "sprat";

/// Where `ip netns` keeps them.
const NAMESPACES: &str = "/run/netns";

/// Of a run that was killed: its namespaces, and whatever still runs in them.
fn remove_leftovers() -> Result<(), String> {
    let Ok(entries) = fs::read_dir(NAMESPACES) else { return Ok(()) };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
        let Some(maker) = maker.and_then(|(process, _)| process.parse::<u32>().ok()) else { continue };
        if Path::new("/proc").join(maker.to_string()).exists() {
            continue;
        }
        let running =
            Command::new("ip").args(["netns", "pids", &name]).output().map_err(|e| format!("ip: {e}"))?;
        for process in String::from_utf8_lossy(&running.stdout).lines().filter_map(|line| line.parse().ok()) {
            if let Some(process) = rustix::process::Pid::from_raw(process) {
                // It may have ended by itself.
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
        }
        // Another run may be cleaning up as well.
        let _ = ip(&["netns", "delete", &name]);
    }
    Ok(())
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
