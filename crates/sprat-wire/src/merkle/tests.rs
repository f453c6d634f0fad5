use super::*;

#[test]
fn two_leaves_have_their_parent_as_root() {
    let leaves = [Sha256Hash::digest(b"a"), Sha256Hash::digest(b"b")];
    assert_eq!(root(&leaves, 0), parent(&leaves[0], &leaves[1]));
}
