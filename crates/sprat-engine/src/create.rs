//! Making a torrent of files on disk: find them, hash them on all cores, write the `.torrent` bytes.
//!
//! A piece is hashed from one read of its bytes, whatever hashes are wanted, and memory does not grow with the content.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sprat_core::geometry::Geometry;
use sprat_core::storage::StorageError;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::merkle::{self, FileHasher, FileHashes};
use sprat_wire::metainfo::build::{
    BuildError, Builder, Description, Hashes, SourceFile, Stretch, default_piece_length,
};
use sprat_wire::metainfo::{Attributes, File, Info, Metainfo, Version};
use thiserror::Error;

use crate::hashing::PieceDigest;
use crate::storage::{Content, FilePool, hash_all, thread_count};

/// Files kept open while hashing; each is read from front to back, so few are in use at a time.
const OPEN_FILES: usize = 64;

/// What to make a torrent of, and how.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// A file or a directory.
    pub path: PathBuf,
    /// Which hashes.
    pub version: Version,
    /// Bytes per piece; `None` chooses by size.
    pub piece_length: Option<u32>,
    /// Threads that read and hash; `None` is one per core.
    pub threads: Option<usize>,
    /// What stands beside the files.
    pub description: Description,
}

/// A torrent that was made.
#[derive(Debug)]
pub struct Created {
    /// The `.torrent` file.
    pub bytes: Vec<u8>,
    /// The same, understood.
    pub metainfo: Metainfo,
    /// The directory below which the files lie, as the torrent names them.
    pub directory: PathBuf,
    /// Bytes of content.
    pub content_length: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Symbolic links, which were left out.
    pub left_out: Vec<PathBuf>,
}

/// Why no torrent was made.
#[derive(Debug, Error)]
pub enum CreateError {
    /// A file or directory cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name that a torrent cannot hold.
    #[error("{} has a name that is not UTF-8", .0.display())]
    Name(PathBuf),
    /// A socket, pipe or device.
    #[error("{} is neither a file nor a directory", .0.display())]
    Special(PathBuf),
    /// The content does not make a torrent.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Reading failed while hashing.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Somebody wrote to a file while it was hashed.
    #[error("{} changed while it was being hashed", .0.display())]
    Changed(PathBuf),
}

/// A file that was found.
#[derive(Debug)]
struct Found {
    at: PathBuf,
    source: SourceFile,
    modified: Option<SystemTime>,
}

/// Makes a torrent. `progress` is told how many bytes of how many are hashed, from several threads.
pub fn create(options: &CreateOptions, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Created, CreateError> {
    let began = Instant::now();
    let path = fs::canonicalize(&options.path).map_err(|source| unreadable(&options.path, source))?;
    let name =
        path.file_name().and_then(|name| name.to_str()).ok_or_else(|| CreateError::Name(path.clone()))?;
    let directory = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let metadata = fs::metadata(&path).map_err(|source| unreadable(&path, source))?;
    let mut left_out = Vec::new();
    let found = if metadata.is_dir() {
        walk(&path, &mut left_out)?
    } else {
        vec![found_file(path.clone(), vec![name.to_owned()], &metadata)?]
    };
    let content_length = found.iter().map(|found| found.source.length).sum();
    let piece_length = options.piece_length.unwrap_or_else(|| default_piece_length(content_length));
    let sources: Vec<SourceFile> = found.iter().map(|found| found.source.clone()).collect();
    let builder = if metadata.is_dir() {
        Builder::directory(options.version, piece_length, name, sources)?
    } else {
        let attributes = sources.first().map(|file| file.attributes).unwrap_or_default();
        Builder::single(options.version, piece_length, name, content_length, attributes)?
    };
    let plan = Plan::new(&builder, name, metadata.is_dir(), directory.clone());
    let digests = plan.hash(thread_count(options.threads), &|done| progress(done, content_length))?;
    for file in &found {
        file.check_unchanged()?;
    }
    let hashes = plan.hashes(&builder, &digests);
    let built = builder.build(&hashes, &options.description)?;
    Ok(Created {
        bytes: built.bytes,
        metainfo: built.metainfo,
        directory,
        content_length,
        elapsed: began.elapsed(),
        left_out,
    })
}

/// The content as the hashing code sees any torrent: an info dictionary whose hashes are still missing.
struct Plan {
    content: Content,
    /// For each file of the info dictionary, which source file it is; `None` is padding.
    sources: Vec<Option<usize>>,
}

/// The hashes of one piece.
struct Digest {
    v1: Option<Sha1Hash>,
    v2: Option<Sha256Hash>,
}

impl Plan {
    fn new(builder: &Builder, name: &str, in_directory: bool, directory: PathBuf) -> Self {
        let mut files = Vec::with_capacity(builder.layout().len());
        let mut sources = Vec::with_capacity(builder.layout().len());
        for stretch in builder.layout() {
            let (path, length, source) = match stretch {
                Stretch::File { index, length } => {
                    let components = builder.files().get(*index).map(|file| file.path.join("/"));
                    (components.unwrap_or_default(), *length, Some(*index))
                }
                Stretch::Padding { length } => (String::new(), *length, None),
            };
            let path = if in_directory { format!("{name}/{path}") } else { path };
            let attributes = Attributes { pad: source.is_none(), ..Attributes::default() };
            files.push(File { path, original_path: None, length, attributes, pieces_root: None });
            sources.push(source);
        }
        let info = Arc::new(Info {
            name: name.to_owned(),
            version: builder.version(),
            piece_length: builder.piece_length(),
            files,
            v1_pieces: None,
            private: false,
            single_file: !in_directory,
            similar: Vec::new(),
            collections: Vec::new(),
        });
        let geometry = Arc::new(Geometry::new(&info));
        let pool = Arc::new(FilePool::new(OPEN_FILES));
        Self { content: Content::to_read(directory, info, geometry, pool), sources }
    }

    fn hash(&self, threads: usize, progress: &(dyn Fn(u64) + Sync)) -> Result<Vec<Digest>, StorageError> {
        let version = self.content.geometry.version();
        let wanted = (version != Version::V2, version != Version::V1);
        hash_all(&self.content, wanted, threads, progress, |piece, digest| {
            let PieceDigest { v1, leaves } = digest?;
            let file = self.content.geometry.file_of(piece).map(|(file, _)| file);
            let v2 = wanted.1.then(|| self.piece_root(file, &leaves));
            Ok(Digest { v1, v2 })
        })
    }

    /// A piece of several, or the whole tree of a file that is no longer than a piece.
    fn piece_root(&self, file: Option<usize>, leaves: &[Sha256Hash]) -> Sha256Hash {
        let length = file.and_then(|file| self.content.info.files.get(file)).map_or(0, |file| file.length);
        let piece_length = self.content.geometry.piece_length();
        if length > u64::from(piece_length) {
            merkle::padded_root(leaves, 0, merkle::leaves_per_piece(piece_length))
        } else {
            merkle::root(leaves, 0)
        }
    }

    fn hashes(&self, builder: &Builder, digests: &[Digest]) -> Hashes {
        let geometry = &self.content.geometry;
        let v1_pieces = digests.iter().filter_map(|digest| digest.v1).collect();
        let mut v2_files: Vec<Option<FileHashes>> = vec![None; builder.files().len()];
        if geometry.version() != Version::V1 {
            for (file, source) in self.sources.iter().enumerate() {
                let Some(slot) = source.and_then(|source| v2_files.get_mut(source)) else { continue };
                let pieces = geometry.pieces_of(file);
                let of_file = digests.get(pieces.start as usize..pieces.end as usize).unwrap_or_default();
                let roots: Vec<Sha256Hash> = of_file.iter().filter_map(|digest| digest.v2).collect();
                *slot = match roots.as_slice() {
                    [] => None,
                    [root] => Some(FileHashes { root: *root, piece_layer: Vec::new() }),
                    roots => {
                        let mut hasher = FileHasher::new(geometry.piece_length());
                        roots.iter().for_each(|root| hasher.push_piece(*root));
                        hasher.finish()
                    }
                };
            }
        }
        Hashes { v1_pieces, v2_files }
    }
}

/// Every file below `root`; links are put into `left_out`.
fn walk(root: &Path, left_out: &mut Vec<PathBuf>) -> Result<Vec<Found>, CreateError> {
    let mut found = Vec::new();
    let mut waiting: Vec<(PathBuf, Vec<String>)> = vec![(root.to_path_buf(), Vec::new())];
    while let Some((directory, components)) = waiting.pop() {
        let entries = fs::read_dir(&directory).map_err(|source| unreadable(&directory, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| unreadable(&directory, source))?;
            let at = entry.path();
            let metadata = entry.metadata().map_err(|source| unreadable(&at, source))?;
            if metadata.is_symlink() {
                left_out.push(at);
                continue;
            }
            let name = entry.file_name().into_string().map_err(|_| CreateError::Name(at.clone()))?;
            let mut path = components.clone();
            path.push(name);
            if metadata.is_dir() {
                waiting.push((at, path));
            } else {
                found.push(found_file(at, path, &metadata)?);
            }
        }
    }
    left_out.sort();
    Ok(found)
}

fn found_file(at: PathBuf, path: Vec<String>, metadata: &Metadata) -> Result<Found, CreateError> {
    if !metadata.is_file() {
        return Err(CreateError::Special(at));
    }
    // Anybody's permission counts: which users there are means nothing to those who download.
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let attributes = Attributes { executable, ..Attributes::default() };
    let source = SourceFile { path, length: metadata.len(), attributes };
    Ok(Found { at, source, modified: metadata.modified().ok() })
}

impl Found {
    fn check_unchanged(&self) -> Result<(), CreateError> {
        let now = fs::metadata(&self.at).map_err(|source| unreadable(&self.at, source))?;
        if now.len() == self.source.length && now.modified().ok() == self.modified {
            Ok(())
        } else {
            Err(CreateError::Changed(self.at.clone()))
        }
    }
}

fn unreadable(path: &Path, source: io::Error) -> CreateError {
    CreateError::Read { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::verify;

    fn options(path: PathBuf, version: Version) -> CreateOptions {
        let piece_length = Some(32 * 1024);
        CreateOptions { path, version, piece_length, threads: Some(3), description: Description::default() }
    }

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("tree");
        for (path, length) in [("a/one", 100_000), ("a/two", 32 * 1024), ("b", 0), ("c c", 1), ("z", 70_000)]
        {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            fs::write(path, bytes).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        (base, root)
    }

    #[test]
    fn what_was_made_verifies_and_what_was_changed_does_not() {
        for version in [Version::V1, Version::V2, Version::Hybrid] {
            let (_base, root) = tree();
            let created = create(&options(root.clone(), version), &|_, _| {}).unwrap();
            assert_eq!(created.content_length, 202_769);
            assert_eq!(created.left_out, [root.join("link")]);
            let report = verify(&created.metainfo, &created.directory, None, &|_, _| {}).unwrap();
            assert!(report.is_good(), "{version:?}: {report:?}");
            fs::write(root.join("c c"), "x").unwrap();
            let report = verify(&created.metainfo, &created.directory, None, &|_, _| {}).unwrap();
            let bad: Vec<&str> = report.files.iter().filter(|f| f.bad > 0).map(|f| f.path.as_str()).collect();
            assert!(bad.contains(&"tree/c c"), "{version:?}: {bad:?}");
        }
    }

    #[test]
    fn what_may_be_executed_is_marked() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("tools");
        fs::create_dir(&root).unwrap();
        for (name, mode) in [("run", 0o755), ("read", 0o644)] {
            fs::write(root.join(name), "content").unwrap();
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let executable = |path: PathBuf| {
            let created = create(&options(path, Version::V1), &|_, _| {}).unwrap();
            let files = created.metainfo.info.files.clone();
            files.into_iter().map(|file| (file.path, file.attributes.executable)).collect::<Vec<_>>()
        };
        assert_eq!(
            executable(root.clone()),
            [("tools/read".to_owned(), false), ("tools/run".to_owned(), true)]
        );
        assert_eq!(executable(root.join("run")), [("run".to_owned(), true)]);
    }

    #[test]
    fn the_number_of_threads_makes_no_difference() {
        let (_base, root) = tree();
        let one =
            create(&CreateOptions { threads: Some(1), ..options(root.clone(), Version::Hybrid) }, &|_, _| {});
        let many = create(&CreateOptions { threads: Some(8), ..options(root, Version::Hybrid) }, &|_, _| {});
        assert_eq!(one.unwrap().bytes, many.unwrap().bytes);
    }

    #[test]
    fn a_file_that_changes_while_it_is_hashed_makes_no_torrent() {
        type Change = fn(&Path);
        let changes: [Change; 2] = [
            |path| fs::File::options().write(true).open(path).unwrap().set_len(150_000).unwrap(),
            |path| {
                fs::File::options()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .set_modified(SystemTime::UNIX_EPOCH)
                    .unwrap();
            },
        ];
        for change in changes {
            let (_base, root) = tree();
            let path = root.join("a/one");
            let result = create(&options(root, Version::V2), &|_, _| change(&path));
            assert!(matches!(result, Err(CreateError::Changed(changed)) if changed == path));
        }
    }

    #[test]
    fn a_pipe_is_refused_and_an_empty_directory_too() {
        let base = tempfile::tempdir().unwrap();
        assert!(matches!(
            create(&options(base.path().to_path_buf(), Version::V1), &|_, _| {}),
            Err(CreateError::Build(_))
        ));
        let socket = base.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        assert!(matches!(
            create(&options(base.path().to_path_buf(), Version::V1), &|_, _| {}),
            Err(CreateError::Special(_))
        ));
    }
}
