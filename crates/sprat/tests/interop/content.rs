//! What is transferred: a big file, and a tree of many small ones with odd names. Made once, from a seed, and kept
//! under the target directory; and the comparison of two trees, byte for byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// What there is to transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// One file of a bit more than 256 MiB.
    BigFile,
    /// 1,200 files of at most 40 KiB in a few directories.
    Tree,
}

/// Not a multiple of anything: the last piece and its last block are short.
const BIG_FILE_LENGTH: u64 = 256 * 1024 * 1024 + 54_321;
const TREE_FILES: u64 = 1_200;
const TREE_FILE_LENGTH: u64 = 40 * 1024;

/// Names that every client must keep as they are, but that are easy to get wrong. Names that mean something else on
/// some system (`con.fig`, a dot or space at the end, invisible characters) are not among them: clients change those,
/// each in its own way.
const ODD_NAMES: [&str; 22] = [
    "two  spaces inside",
    "-rf",
    "#hash %20 percent + plus & and = equals",
    "semi;colon, comma 'single' `back` $dollar",
    "(round) [square] {curly}",
    "~tilde~",
    "!bang",
    "@at^caret",
    "..dots",
    "...three dots and more",
    ".hidden",
    "many.dots.in.a.name.tar.gz",
    "UPPER",
    "Ünïcödé précomposé",
    "u\u{308}nicode decomposed",
    "日本語のファイル名",
    "Русское имя",
    "اسم عربي",
    "🐟🐟🐟",
    "tree.torrent",
    "info",
    "a name of exactly two hundred bytes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

impl Content {
    /// The name of the file or of the top directory; also the name in the torrent.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BigFile => "big file.bin",
            Self::Tree => "tree of odd names",
        }
    }

    /// Where the original lies; makes it if it is not there. Nobody may write to it.
    pub(crate) fn original(self) -> Result<PathBuf> {
        let path = store()?.join(self.name());
        make_once(&path, |path| match self {
            Self::BigFile => write_file(path, 1, BIG_FILE_LENGTH),
            Self::Tree => write_tree(path),
        })?;
        Ok(path)
    }

    /// Puts a copy of the original into a directory, by hard links.
    pub(crate) fn link_into(self, directory: &Path) -> Result<()> {
        let original = self.original()?;
        let copy = directory.join(self.name());
        for (name, path) in files_of(&original)? {
            let target = if name.as_os_str().is_empty() { copy.clone() } else { copy.join(name) };
            fs::create_dir_all(target.parent().context("a copy lies in a directory")?)?;
            fs::hard_link(path, target)?;
        }
        Ok(())
    }

    /// Says how the copy in a directory differs from the original, if it does.
    pub(crate) fn difference(self, directory: &Path) -> Result<Option<String>> {
        let original = files_of(&self.original()?)?;
        let copy = files_of(&directory.join(self.name()))?;
        for (name, path) in &original {
            match copy.get(name) {
                None => return Ok(Some(format!("{} is missing", name.display()))),
                Some(other) if !same_bytes(path, other)? => {
                    return Ok(Some(format!("{} has other bytes", name.display())));
                }
                Some(_) => {}
            }
        }
        let foreign = copy.keys().find(|name| !original.contains_key(*name));
        Ok(foreign.map(|name| format!("{} is not in the original", name.display())))
    }
}

/// The directory in which originals and torrents are kept from run to run. Change its name when they change.
pub(crate) fn store() -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop/originals-4");
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// Makes a file or directory, complete or not at all, even if several tests do so at once.
pub(crate) fn make_once(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let parent = path.parent().context("a path in the store")?;
    let workshop = tempfile::tempdir_in(parent)?;
    let draft = workshop.path().join(path.file_name().context("a path with a name")?);
    make(&draft)?;
    match fs::rename(&draft, path) {
        // Another test was faster; it made the same.
        Err(_) if path.exists() => Ok(()),
        result => result.with_context(|| format!("cannot put {} in its place", path.display())),
    }
}

/// An empty directory for one test, which every user may enter: some programs give up their rights.
pub(crate) fn test_directory() -> Result<tempfile::TempDir> {
    let directory =
        tempfile::Builder::new().prefix("sprat-interop-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(directory.path(), permissions)?;
    for name in ["seeder", "introducer", "leecher"] {
        for name in [name.to_owned(), format!("{name}.state")] {
            fs::DirBuilder::new().mode(0o755).create(directory.path().join(name))?;
        }
    }
    fs::DirBuilder::new().mode(0o755).create(directory.path().join("tracker.state"))?;
    Ok(directory)
}

/// SplitMix64: a seeded generator of a few lines. <https://prng.di.unimi.it/splitmix64.c> (public domain)
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn write_file(path: &Path, seed: u64, length: u64) -> Result<()> {
    let mut random = Random(seed);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for _ in 0..length / 8 {
        file.write_all(&random.next().to_le_bytes())?;
    }
    let rest = usize::try_from(length % 8)?;
    file.write_all(&random.next().to_le_bytes()[..rest])?;
    Ok(file.into_inner()?.sync_all()?)
}

fn write_tree(root: &Path) -> Result<()> {
    let mut random = Random(2);
    for index in 0..TREE_FILES {
        let odd = ODD_NAMES[usize::try_from(index)? % ODD_NAMES.len()];
        let directory = match index % 5 {
            0 => root.to_owned(),
            1 => root.join("plain"),
            2 => root.join("a/b/c/d/e/f/g/h"),
            3 => root.join("spaced out directory/ünï cödé 🐟"),
            _ => root.join(format!("one of many {:02}", index % 60)),
        };
        fs::create_dir_all(&directory)?;
        // Every odd name stands once as it is; the others are told apart by a number.
        let name = if index < ODD_NAMES.len() as u64 { odd.to_owned() } else { format!("{index}{odd}") };
        let length = match index % 7 {
            0 => 1,
            1 => 16 * 1024,
            _ => 1 + random.next() % TREE_FILE_LENGTH,
        };
        write_file(&directory.join(&name), index + 10, length)
            .with_context(|| format!("cannot write {name:?}"))?;
    }
    Ok(())
}

/// The files of a tree by their names in it. A single file has the empty name.
fn files_of(root: &Path) -> Result<BTreeMap<PathBuf, PathBuf>> {
    if root.is_file() {
        return Ok(BTreeMap::from([(PathBuf::new(), root.to_owned())]));
    }
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => bail!("cannot read {}: {error}", directory.display()),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            ensure!(!kind.is_symlink(), "{} is a symlink", entry.path().display());
            if kind.is_dir() {
                open.push(entry.path());
            } else {
                files.insert(entry.path().strip_prefix(root)?.to_owned(), entry.path());
            }
        }
    }
    Ok(files)
}

fn same_bytes(one: &Path, other: &Path) -> Result<bool> {
    let (one, other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..length])?;
        if left[..length] != right[..length] {
            return Ok(false);
        }
    }
}
