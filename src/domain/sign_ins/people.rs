//! The users on the sign-in page, and the search for them.

use crate::domain::PrincipalId;

/// The maximum number of users that the page shows at once.
pub const PEOPLE_SHOWN: usize = 50;

/// A user who can be chosen on the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: PrincipalId,
    pub name: String,
    pub display_name: String,
    /// An admin of the workspace, or of the account if the sign-in is for the whole account.
    pub admin: bool,
}

/// A case-insensitive search for a part of a name.
#[derive(Clone, Debug)]
pub struct Search(String);

impl Search {
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_lowercase())
    }

    pub fn is_for_all(&self) -> bool {
        self.0.is_empty()
    }

    pub fn finds(&self, person: &Person) -> bool {
        [&person.name, &person.display_name].iter().any(|name| name.to_lowercase().contains(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_ignores_case_and_has_no_wildcards() {
        let person = Person { id: PrincipalId(7), name: "User07@x".into(), display_name: "N7".into(), admin: false };
        for (text, finds) in [("", true), (" uSER07 ", true), ("n7", true), ("n8", false), ("%", false), ("_", false)] {
            assert_eq!(Search::new(text).finds(&person), finds, "{text}");
        }
        assert!(Search::new(" ").is_for_all() && !Search::new("n").is_for_all());
    }
}
