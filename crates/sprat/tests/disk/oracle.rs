//! What is right: torrents, and whether what lies on a disk or came from a peer is of them. It reads files and hashes them by
//! itself and shares nothing with the program but the parser of `.torrent` files.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha1::Digest as _;
use sprat_wire::metainfo::Metainfo;

const BLOCK: usize = 16 * 1024;

/// A torrent and its content.
pub(crate) struct Torrent {
    /// The `.torrent` file.
    pub(crate) path: PathBuf,
    /// The directory that holds the content.
    pub(crate) content: PathBuf,
    pub(crate) metainfo: Metainfo,
    pub(crate) pieces: Vec<Piece>,
}

/// A piece, and where it lies.
pub(crate) struct Piece {
    pub(crate) length: usize,
    slices: Vec<Slice>,
    hash: Hash,
}

/// A part of a piece that lies in one file.
struct Slice {
    /// `None`: padding.
    path: Option<String>,
    offset: u64,
    length: usize,
}

enum Hash {
    Sha1([u8; 20]),
    /// The root of a tree with so many leaves.
    Sha256([u8; 32], usize),
}

/// A torrent of these files, by `sprat create`.
pub(crate) fn make(
    home: &Path,
    version: &str,
    name: &str,
    files: &[(&str, usize)],
    piece_length: usize,
) -> Torrent {
    let content = home.join(format!("content-{name}"));
    let mut random = fastrand::Rng::with_seed(name.len() as u64 + files.len() as u64);
    for (path, length) in files {
        let path = content.join(name).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = vec![0; *length];
        random.fill(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
    let path = home.join(format!("{name}.torrent"));
    let created = Command::new(env!("CARGO_BIN_EXE_sprat"))
        .args(["create", "--version", version, "--piece-length", &piece_length.to_string(), "--output"])
        .args([&path, &content.join(name)])
        .output()
        .unwrap();
    assert!(created.status.success(), "{created:?}");
    let metainfo = Metainfo::parse(&fs::read(&path).unwrap()).unwrap();
    let pieces = pieces_of(&metainfo);
    Torrent { path, content, metainfo, pieces }
}

fn pieces_of(metainfo: &Metainfo) -> Vec<Piece> {
    let info = &metainfo.info;
    let piece_length = info.piece_length as usize;
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, file) in info.files.iter().enumerate() {
        let path = (!file.attributes.pad).then(|| file.path.clone());
        let mut offset = 0;
        let mut number_in_file = 0;
        while offset < file.length {
            let is_new = match pieces.last() {
                Some(last) if info.is_v1() => last.length == piece_length,
                Some(_) | None => true,
            };
            if is_new {
                let hash = match &info.v1_pieces {
                    Some(hashes) => Hash::Sha1(hashes[pieces.len()].0),
                    None => {
                        let root = metainfo.v2_piece_root(index, number_in_file).unwrap();
                        Hash::Sha256(root.hash.0, root.leaves as usize)
                    }
                };
                number_in_file += 1;
                pieces.push(Piece { length: 0, slices: Vec::new(), hash });
            }
            let piece = pieces.last_mut().unwrap();
            let room = piece_length - piece.length;
            let length = room.min(usize::try_from(file.length - offset).unwrap());
            piece.slices.push(Slice { path: path.clone(), offset, length });
            piece.length += length;
            offset += length as u64;
        }
    }
    pieces
}

impl Piece {
    /// Whether these are its bytes.
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        if bytes.len() != self.length {
            return false;
        }
        match &self.hash {
            Hash::Sha1(hash) => sha1::Sha1::digest(bytes).as_slice() == hash,
            Hash::Sha256(root, leaves) => {
                let mut layer: Vec<[u8; 32]> =
                    bytes.chunks(BLOCK).map(|block| sha2::Sha256::digest(block).into()).collect();
                layer.resize(*leaves, [0; 32]);
                while layer.len() > 1 {
                    let pair = |pair: &[[u8; 32]]| sha2::Sha256::digest(pair.concat()).into();
                    layer = layer.chunks(2).map(pair).collect();
                }
                layer[0] == *root
            }
        }
    }

    /// What lies in its place below a directory, if all of it is there.
    pub(crate) fn read(&self, directory: &Path) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        let mut at = 0;
        for slice in &self.slices {
            if let Some(path) = &slice.path {
                let file = File::open(directory.join(path)).ok()?;
                file.read_exact_at(&mut bytes[at..at + slice.length], slice.offset).ok()?;
            }
            at += slice.length;
        }
        Some(bytes)
    }

    /// Whether it lies in this file, too.
    pub(crate) fn lies_in(&self, path: &str) -> bool {
        self.slices.iter().any(|slice| slice.path.as_deref() == Some(path))
    }
}

impl Torrent {
    /// For each piece, whether it is right on this disk.
    pub(crate) fn good(&self, directory: &Path) -> Vec<bool> {
        self.pieces.iter().map(|piece| piece.read(directory).is_some_and(|bytes| piece.is(&bytes))).collect()
    }

    /// The files that the torrent names.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        let files = self.metainfo.info.files.iter().filter(|file| !file.attributes.pad);
        files.map(|file| (file.path.as_str(), file.length))
    }

    /// Every byte of every file, and nothing more.
    pub(crate) fn must_be_whole(&self, directory: &Path) -> Result<(), String> {
        for (path, _) in self.files() {
            let right = fs::read(self.content.join(path)).unwrap();
            let copy = fs::read(directory.join(path)).map_err(|error| format!("{path}: {error}"))?;
            if copy != right {
                let differs = copy.iter().zip(&right).position(|(is, should)| is != should);
                return Err(format!(
                    "{path} has {} of {} bytes, differs at {differs:?}",
                    copy.len(),
                    right.len()
                ));
            }
        }
        Ok(())
    }
}

/// How many are.
pub(crate) fn count(good: &[bool]) -> u64 {
    good.iter().filter(|good| **good).count() as u64
}
