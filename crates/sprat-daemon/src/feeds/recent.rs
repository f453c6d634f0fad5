//! A map that keeps what was noted last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Values by key, and in the order in which they were last noted. Saved as a list in that order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(K, V)>", into = "Vec<(K, V)>")]
#[serde(bound(serialize = "K: Ord + Clone + Serialize, V: Clone + Serialize"))]
#[serde(bound(deserialize = "K: Ord + Clone + Deserialize<'de>, V: Deserialize<'de>"))]
pub(super) struct Recent<K, V> {
    by_key: BTreeMap<K, (u64, V)>,
    by_age: BTreeMap<u64, K>,
    next: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), by_age: BTreeMap::new(), next: 0 }
    }
}

impl<K: Ord + Clone, V> Recent<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// Notes `key` as the newest.
    pub(super) fn note(&mut self, key: K, value: V) {
        self.forget(&key);
        self.by_age.insert(self.next, key.clone());
        self.by_key.insert(key, (self.next, value));
        self.next += 1;
    }

    pub(super) fn forget(&mut self, key: &K) {
        if let Some((age, _)) = self.by_key.remove(key) {
            self.by_age.remove(&age);
        }
    }

    /// Forgets the oldest until there are `length` left.
    pub(super) fn shrink_to(&mut self, length: usize) {
        while self.by_key.len() > length
            && let Some((_, key)) = self.by_age.pop_first()
        {
            self.by_key.remove(&key);
        }
    }
}

impl<K: Ord + Clone, V> From<Vec<(K, V)>> for Recent<K, V> {
    fn from(entries: Vec<(K, V)>) -> Self {
        let mut recent = Self::default();
        for (key, value) in entries {
            recent.note(key, value);
        }
        recent
    }
}

impl<K: Ord + Clone, V: Clone> From<Recent<K, V>> for Vec<(K, V)> {
    fn from(recent: Recent<K, V>) -> Self {
        let entry = |key: &K| Some((key.clone(), recent.get(key)?.clone()));
        recent.by_age.values().filter_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_order_is_saved() {
        let mut recent = Recent::from(vec![(1, 'a'), (2, 'b'), (3, 'c')]);
        recent.note(1, 'A');
        recent.shrink_to(2);
        let saved = serde_json::to_string(&recent).unwrap();
        assert_eq!(saved, r#"[[3,"c"],[1,"A"]]"#);
        let mut back: Recent<i32, char> = serde_json::from_str(&saved).unwrap();
        back.shrink_to(1);
        assert_eq!((back.get(&1), back.contains(&3)), (Some(&'A'), false));
        back.forget(&1);
        assert_eq!(Vec::from(back), []);
    }
}
