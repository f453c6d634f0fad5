//! Which disk a directory lies on, by what the kernel says of its mounts: no disk is touched, for it may not answer.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

/// The number of a file system, `major:minor` of `proc_pid_mountinfo(5)`. Bind mounts of one file system have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Device {
    pub(super) major: u32,
    pub(super) minor: u32,
}

/// Something mounted somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device: Device,
    pub(super) point: PathBuf,
    number: u64,
    parent: u64,
}

/// Everything that is mounted.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// By the mount that it lies in, if that can be seen from here, and by where in it.
    children: BTreeMap<(Option<u64>, PathBuf), Mount>,
}

impl Mounts {
    /// Understands the text of `/proc/self/mountinfo`. Lines that make no sense are left out.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mounts: BTreeMap<u64, Mount> = text
            .split(|byte| *byte == b'\n')
            .filter_map(Mount::parse)
            .map(|mount| (mount.number, mount))
            .collect();
        let parent = |mount: &Mount| {
            Some(mount.parent).filter(|parent| *parent != mount.number && mounts.contains_key(parent))
        };
        let children =
            mounts.values().map(|mount| ((parent(mount), mount.point.clone()), mount.clone())).collect();
        Self { children }
    }

    /// What an absolute path without `..` lies on, found as the kernel does: from mount to mount, so that what lies hidden below
    /// a later mount is not taken for it. Symbolic links cannot be followed without touching a disk: a path that leads elsewhere
    /// by one counts as lying where the link lies.
    pub(super) fn of(&self, path: &Path) -> Option<&Mount> {
        let mut found: Option<&Mount> = None;
        let mut at = PathBuf::new();
        for component in path.components() {
            at.push(component);
            // One upon another. However the table is made up, there are no more than all.
            for _ in 0..self.children.len() {
                let next = self.children.get(&(found.map(|mount| mount.number), at.clone()));
                let Some(next) = next else { break };
                found = Some(next);
            }
        }
        found
    }
}

impl Mount {
    /// `36 35 98:0 /below /point rw,noatime …`: its number, that of the mount it lies in, the device, what of that is mounted, where.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let number = decimal(fields.next()?)?;
        let parent = decimal(fields.next()?)?;
        let mut device = fields.next()?.split(|byte| *byte == b':').map(decimal);
        let (major, minor) = (device.next()??, device.next()??);
        let device = Device { major: major.try_into().ok()?, minor: minor.try_into().ok()? };
        let _below = fields.next()?;
        let point = PathBuf::from(OsString::from_vec(unescape(fields.next()?)));
        point.is_absolute().then_some(Self { device, point, number, parent })
    }
}

/// The path as the kernel would take it, by its words alone: absolute, without `.` and `..`. `..` after a symbolic link leads
/// elsewhere, which cannot be told here.
pub(super) fn absolute(path: &Path) -> PathBuf {
    // Without a directory to start from it is as good as any other.
    let base = if path.is_absolute() { PathBuf::new() } else { std::env::current_dir().unwrap_or_default() };
    let mut absolute = PathBuf::from("/");
    for component in base.join(path).components() {
        match component {
            Component::Normal(name) => absolute.push(name),
            Component::ParentDir => _ = absolute.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Space, tab, line feed and backslash are written as three octal digits after a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, others)) = rest.split_first() {
        let code = others.get(..3).filter(|_| first == b'\\').and_then(octal);
        plain.push(code.unwrap_or(first));
        rest = others.get(if code.is_some() { 3 } else { 0 }..).unwrap_or_default();
    }
    plain
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'7').then(|| u32::from(byte - b'0'));
    let value = digits.iter().try_fold(0, |value, byte| Some(value * 8 + digit(byte)?))?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: &str = "\
        21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        22 21 0:5 / /proc rw - proc proc rw\n\
        30 21 8:17 / /mnt/a rw - ext4 /dev/sdb1 rw\n\
        31 30 0:44 / /mnt/a/nas rw - nfs4 server:/ rw\n\
        32 21 8:17 /films /mnt/films rw - ext4 /dev/sdb1 rw\n\
        33 21 0:50 / /mnt/two\\040words\\134 rw - fuse.sshfs x rw\n";

    fn point(mounts: &Mounts, path: &str) -> Option<(String, u32, u32)> {
        let mount = mounts.of(Path::new(path))?;
        Some((mount.point.to_str().unwrap().to_owned(), mount.device.major, mount.device.minor))
    }

    #[test]
    fn a_directory_lies_on_the_nearest_mount_above_it() {
        let mounts = Mounts::parse(USUAL.as_bytes());
        let at = |path| point(&mounts, path).map(|(point, ..)| point);
        assert_eq!(at("/").as_deref(), Some("/"));
        assert_eq!(at("/home/u").as_deref(), Some("/"));
        assert_eq!(at("/mnt/ab").as_deref(), Some("/"), "by component, not by letter");
        assert_eq!(at("/mnt/a").as_deref(), Some("/mnt/a"));
        assert_eq!(at("/mnt/a/nas/x").as_deref(), Some("/mnt/a/nas"));
        assert_eq!(at("/mnt/two words\\/x").as_deref(), Some("/mnt/two words\\"));
    }

    #[test]
    fn bind_mounts_of_one_disk_have_one_number() {
        let mounts = Mounts::parse(USUAL.as_bytes());
        let device = |path| mounts.of(Path::new(path)).unwrap().device;
        assert_eq!(device("/mnt/films/x"), device("/mnt/a/x"));
        assert_ne!(device("/mnt/a/x"), device("/x"));
    }

    #[test]
    fn what_is_mounted_over_something_hides_it_and_all_that_is_below() {
        let over = format!("{USUAL}40 21 9:1 / / rw - x x rw\n");
        let mounts = Mounts::parse(over.as_bytes());
        assert_eq!(point(&mounts, "/mnt/a/nas/x"), Some(("/".to_owned(), 9, 1)));
        let over = format!("{USUAL}40 30 9:1 / /mnt/a rw - x x rw\n41 40 9:2 / /mnt/a rw - x x rw\n");
        let mounts = Mounts::parse(over.as_bytes());
        assert_eq!(point(&mounts, "/mnt/a/nas/x"), Some(("/mnt/a".to_owned(), 9, 2)));
    }

    #[test]
    fn below_a_changed_root_only_some_mounts_are_seen() {
        let mounts = Mounts::parse(b"50 7 8:3 / /data rw - ext4 x rw\n51 50 8:4 / /data/b rw - ext4 x rw");
        assert_eq!(point(&mounts, "/data/b/c"), Some(("/data/b".to_owned(), 8, 4)));
        assert_eq!(point(&mounts, "/home"), None);
    }

    #[test]
    fn a_table_that_makes_no_sense_ends_nothing() {
        let circle = b"1 1 8:1 / / rw\n2 3 8:2 / /a rw\n3 2 8:3 / /a rw\n4 1 8:4 / /a/b rw\n4 1 8:5 / /c rw";
        let mounts = Mounts::parse(circle);
        assert_eq!(point(&mounts, "/a/b/c").map(|(_, major, minor)| (major, minor)), Some((8, 1)));
        for line in
            ["", "1", "1 2", "1 2 8", "1 2 8:", "1 2 :1 / /", "1 2 8:1 /", "x 2 8:1 / / rw", "1 2 8:1 / a rw"]
        {
            assert_eq!(Mount::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(Mount::parse(b"1 2 8:99999999999 / / rw"), None);
    }

    #[test]
    fn escapes_are_three_octal_digits_and_nothing_else_is() {
        assert_eq!(unescape(b"a\\040b\\011\\012\\134"), b"a b\t\n\\");
        assert_eq!(unescape(b"\\04 \\999 \\ \\777 \\"), b"\\04 \\999 \\ \\777 \\");
    }

    #[test]
    fn paths_are_made_absolute_by_their_words() {
        assert_eq!(absolute(Path::new("/a/./b/../c//d/")), Path::new("/a/c/d"));
        assert_eq!(absolute(Path::new("/../../a")), Path::new("/a"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("x/../y")), here.join("y"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_table(text in "[0-9 :/a\\\\\n-]{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for text in [text.into_bytes(), bytes] {
                let _ = Mounts::parse(&text).of(Path::new("/a/a/a"));
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_systems_table_agrees_with_its_disks() {
        let mounts = Mounts::parse(&std::fs::read("/proc/self/mountinfo").unwrap());
        let mount = mounts.of(Path::new("/proc/self")).unwrap();
        assert_eq!(mount.point, Path::new("/proc"));
    }
}
