//! Tokens: a principal's own, those that admins manage, and the history of every token.

pub(crate) mod history;
pub(super) mod management;
pub(super) mod own;
