//! Which trackers there are, in which order: at first, and when the user has changed them.

use std::sync::Arc;

use sprat_wire::hash::InfoHash;

use super::entry::{Entry, Turn};
use super::{Announcer, MOST_TRACKERS};
use crate::time::Time;

impl Announcer {
    /// From now on these are the trackers. Those that were there before keep what is known of them, and in their tier come before
    /// those that are new; these are told that we have begun when it is their turn (BEP 12). Those that are gone are told that we leave,
    /// if they know us.
    pub fn set_tiers(&mut self, now: Time, tiers: &[Vec<String>]) {
        let order = self.in_order(tiers);
        self.listed.clear();
        self.chains.clear();
        for info_hash in self.info_hashes.clone() {
            let mut last_tier = None;
            for (tier, url) in &order {
                if last_tier.is_none() || (self.config.all_tiers && last_tier != Some(*tier)) {
                    self.chains.push(Vec::new());
                }
                last_tier = Some(*tier);
                let at = self.place_of(now, url, *tier, info_hash);
                self.listed.push(at);
                if let Some(chain) = self.chains.last_mut() {
                    chain.push(at);
                }
            }
        }
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if !self.listed.contains(&at) {
                entry.retire(self.active);
            }
        }
    }

    /// Each URL once, with its tier. Within a tier those that are known come as they did before, and the others in any order.
    fn in_order(&mut self, tiers: &[Vec<String>]) -> Vec<(usize, Arc<str>)> {
        let known: Vec<Arc<str>> = self.chains.iter().flatten().filter_map(|at| self.url_at(*at)).collect();
        let mut order: Vec<(usize, Arc<str>)> = Vec::new();
        for (tier, urls) in tiers.iter().enumerate() {
            let mut urls: Vec<Arc<str>> = urls.iter().map(|url| Arc::from(url.trim())).collect();
            urls.retain(|url| !url.is_empty() && !order.iter().any(|(_, known)| known == url));
            self.rng.shuffle(&mut urls);
            urls.sort_by_key(|url| known.iter().position(|known| known == url).unwrap_or(usize::MAX));
            urls.dedup();
            order.extend(urls.into_iter().map(|url| (tier, url)));
        }
        order.truncate(MOST_TRACKERS);
        order
    }

    fn url_at(&self, at: usize) -> Option<Arc<str>> {
        self.entries.get(at).map(|entry| Arc::clone(&entry.url))
    }

    /// Where its entry is, which is made if there is none.
    fn place_of(&mut self, now: Time, url: &Arc<str>, tier: usize, info_hash: InfoHash) -> usize {
        let is_it = |entry: &Entry| entry.url == *url && entry.info_hash == info_hash;
        if let Some(at) = self.entries.iter().position(is_it) {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.keep(now, tier);
            }
            return at;
        }
        let mut entry = Entry::new(Arc::clone(url), tier, info_hash);
        entry.next = now;
        entry.turn = if self.patient { Turn::Usual } else { Turn::Asked };
        // No answer is awaited by the name of one that is vacant.
        if let Some(at) = self.entries.iter().position(Entry::is_vacant)
            && let Some(vacant) = self.entries.get_mut(at)
        {
            *vacant = entry;
            return at;
        }
        self.entries.push(entry);
        self.entries.len() - 1
    }
}
