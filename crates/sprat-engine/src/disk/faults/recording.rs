//! Everything that was done to a watched tree, and every disk that a power cut in the middle of it may leave.

use std::sync::{Arc, Mutex, PoisonError};

use super::crash::{Chance, Extreme};
use super::image::Image;
use super::operation::Recorded;
use super::state::State;

/// What was done, in order.
#[derive(Debug)]
pub struct Recording {
    pub(super) initial: Arc<State>,
    pub(super) operations: Vec<Arc<Recorded>>,
    pub(super) marks: Vec<Mark>,
    pub(super) device: u64,
    /// The state after so many operations: images are asked for in order, many of one moment.
    pub(super) reached: Mutex<Option<(usize, State)>>,
}

/// Something that the test wants to find again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// How many operations came before it.
    pub at: usize,
    /// What it says.
    pub label: String,
}

impl Recording {
    /// The operations.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = &Recorded> {
        self.operations.iter().map(|recorded| &**recorded)
    }

    /// How many operations there are: moments to cut power at are `0..=len()`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The marks, in order.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The marks that were made before power is cut at `at`.
    pub fn marks_before(&self, at: usize) -> impl Iterator<Item = &str> {
        self.marks.iter().take_while(move |mark| mark.at <= at).map(|mark| mark.label.as_str())
    }

    /// What the disk may hold when power is cut after the first `at` operations: one possibility for each seed.
    #[must_use]
    pub fn image(&self, at: usize, seed: u64) -> Image {
        self.with_state(at, |state| Image::of(state, self.device, Chance::of_seed(seed)))
    }

    /// As [`Recording::image`], without chance.
    #[must_use]
    pub fn extreme(&self, at: usize, extreme: Extreme) -> Image {
        self.with_state(at, |state| Image::of(state, self.device, Chance::of_extreme(extreme)))
    }

    /// Looks at the state after the first `at` operations.
    pub(super) fn with_state<T>(&self, at: usize, look: impl FnOnce(&State) -> T) -> T {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut from, mut state) = match reached.take() {
            Some((from, state)) if from <= at => (from, state),
            _ => (0, State::clone(&self.initial)),
        };
        for recorded in self.operations.iter().take(at).skip(from) {
            state.apply(recorded);
            from += 1;
        }
        let seen = look(&state);
        *reached = Some((from, state));
        seen
    }
}

impl Clone for Recording {
    fn clone(&self) -> Self {
        Self {
            initial: Arc::clone(&self.initial),
            operations: self.operations.clone(),
            marks: self.marks.clone(),
            device: self.device,
            reached: Mutex::new(None),
        }
    }
}
