//! A smaller case that fails as well is easier to understand.

/// The smallest case found that still fails, and how it does. `smaller` names smaller cases, those first that are to be
/// tried first; `failure` says how one fails, if it does.
pub fn shrunk<T>(
    case: T,
    how: String,
    smaller: impl Fn(&T) -> Vec<T>,
    mut failure: impl FnMut(&T) -> Option<String>,
) -> (T, String) {
    let (mut smallest, mut how) = (case, how);
    loop {
        let found = smaller(&smallest).into_iter().find_map(|case| failure(&case).map(|how| (case, how)));
        match found {
            Some(found) => (smallest, how) = found,
            None => return (smallest, how),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_failing_case_is_found() {
        let smaller =
            |case: &u32| [case / 2, case.saturating_sub(1)].into_iter().filter(|one| one < case).collect();
        let failure = |case: &u32| (*case >= 13).then(|| format!("{case} is too much"));
        assert_eq!(shrunk(1000, "at first".to_owned(), smaller, failure), (13, "13 is too much".to_owned()));
    }
}
