//! Seeds: a world described as YAML or JSON. What a seed can contain, how it is read, and how it is written.
//! `service::seeds` applies it. A seed only adds: what already exists stays as it is, so applying a seed twice changes
//! nothing. Missing values are drawn from its `random_seed`. Start with [`Seed`] and [`parse`].

mod population;
mod scalar;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_path_to_error::{Deserializer as TracksPath, Track};

use crate::domain::plain_words::in_plain_words;
use crate::domain::settings::BehaviourChange;
use crate::domain::{Millis, WorkspaceId};

pub use population::{Population, SeededRandom};
pub use scalar::{Moment, Share, Span, Text};

/// A world for dapi-mock: principals of accounts, and workspaces.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// The JSON Schema, for editors.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The seed of all random values that are not given.
    #[serde(skip_serializing_if = "is_default")]
    pub random_seed: u32,
    /// Accounts with their principals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountSeed>,
    /// Workspaces with their principals, settings and tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workspaces: Vec<WorkspaceSeed>,
}

/// An account's principals. Principals that are in a workspace can be listed there instead.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccountSeed {
    /// A UUID. Defaults to the default account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Text>,
    /// Users of the account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserSeed>,
    /// Service principals of the account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_principals: Vec<ServicePrincipalSeed>,
    /// Groups of the account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSeed>,
}

/// A user.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and a seed writes them so")]
pub struct UserSeed {
    /// The e-mail address.
    pub user_name: Text,
    /// The display name. Defaults to the e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The identity provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Whether it may authenticate in the account.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub active: bool,
    /// Whether it is an account admin.
    #[serde(default, skip_serializing_if = "is_default")]
    pub account_admin: bool,
    /// Whether it is an admin of the workspace that lists it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub workspace_admin: bool,
    /// Whether it may authenticate in the workspace that lists it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub active_in_workspace: bool,
}

/// A service principal.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and a seed writes them so")]
pub struct ServicePrincipalSeed {
    /// The display name. Members, owners and permissions can refer to it.
    pub display_name: Text,
    /// A UUID, which is also the OAuth client id. Random by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<Text>,
    /// The identity provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Whether it may authenticate in the account.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub active: bool,
    /// Whether it is an account admin.
    #[serde(default, skip_serializing_if = "is_default")]
    pub account_admin: bool,
    /// Whether it is an admin of the workspace that lists it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub workspace_admin: bool,
    /// Whether it may authenticate in the workspace that lists it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub active_in_workspace: bool,
    /// OAuth secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSeed>,
}

/// An OAuth secret.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretSeed {
    /// The secret: dose and 32 lowercase hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// The SHA-256 of the secret, as an export writes it, instead of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Text>,
    /// When it was created. Defaults to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// When it expires. Defaults to two years after its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    /// The scopes that its access tokens cannot exceed. Defaults to all APIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
}

/// A group.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSeed {
    /// The name of the group.
    pub display_name: Text,
    /// Users by e-mail address, service principals by name or application id, groups by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Text>,
}

/// A workspace.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkspaceSeed {
    /// The id of the workspace. Defaults to the default workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<Text>,
    /// The account that it belongs to. Defaults to the default account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Text>,
    /// The name of the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// The seed of the ids and values that it creates while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy_seed: Option<i64>,
    /// Stops its clock at this time. By default the clock follows the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_at: Option<Moment>,
    /// How far its clock is ahead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_ahead: Option<Span>,
    /// The mock's own switches.
    #[serde(skip_serializing_if = "is_default")]
    pub behaviour: BehaviourChange,
    /// The workspace configuration, such as `maxTokenLifetimeDays`.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub conf: std::collections::BTreeMap<String, String>,
    /// Users, who are added to the account, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserSeed>,
    /// Service principals, which are added to the account, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_principals: Vec<ServicePrincipalSeed>,
    /// The workspace's own groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSeed>,
    /// Users, service principals and groups of the account that are assigned to the workspace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assigned: Vec<AssignedSeed>,
    /// Who may use tokens. Defaults to everybody (`users`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_use_tokens: Option<Vec<Text>>,
    /// Personal access tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenSeed>,
    /// Token values that belong to nobody, planted to see who uses them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decoys: Vec<DecoySeed>,
    /// Many users and tokens at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub populations: Vec<Population>,
}

/// A principal's assignment to a workspace.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignedSeed {
    /// A user by e-mail address, a service principal by name or application id, a group by name.
    pub principal: Text,
    /// Whether it may authenticate in the workspace.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub active: bool,
    /// Its entitlements in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlements: Option<Vec<String>>,
    /// Its instance profiles in the workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// A personal access token.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSeed {
    /// The owner: a user's e-mail address, or a service principal's name or application id.
    pub owner: Text,
    /// The token: dapi and 32 lowercase hex digits. Random by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// The SHA-256 of the token, as an export writes it, instead of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Text>,
    /// The comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// When it was created. Defaults to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// When it expires: `never`, a time, or a duration from now. Without `expires` and `lifetime` the token has the
    /// maximum lifetime of new tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    /// How long after its creation it expires, instead of `expires`. It may exceed the maximum lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Span>,
    /// When it was last used. Defaults to never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Moment>,
    /// The scopes. Defaults to all APIs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The state of auto-scoping, such as `AUTOSCOPE_STATE_RUNNING`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscope_state: Option<String>,
    /// When auto-scoping ends, or ended. Defaults to 30 days after the creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscope_until: Option<Moment>,
    /// The scopes that auto-scoping has inferred so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred_scopes: Option<Vec<String>>,
    /// The scopes that were inferred from the use of a token that is older than auto-scoping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill_scopes: Option<Vec<String>>,
    /// Who created it on behalf of the owner. Defaults to the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Text>,
}

/// A token value that belongs to nobody.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecoySeed {
    /// The value: dapi and 32 lowercase hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// The SHA-256 of the value, as an export writes it, instead of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoy_id: Option<Text>,
    /// For instance where the decoy is planted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_true(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The built-in seeds of one workspace, by name.
pub const TEMPLATES: &[(&str, &str)] = &[("leaky", include_str!("../../../docs/seeds/leaky-workspace.yaml"))];

pub fn template_text(name: &str) -> Option<&'static str> {
    TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

pub fn template(name: &str) -> Option<WorkspaceSeed> {
    let mut seed = parse(template_text(name)?).ok()?;
    if seed.workspaces.is_empty() { None } else { Some(seed.workspaces.swap_remove(0)) }
}

/// What is wrong with a seed, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{field}{sentence}", self.place())]
pub struct SeedError {
    /// Empty if the seed is not from a file.
    pub file: String,
    /// Counted from 1; 0 if it is not known.
    pub line: u64,
    /// For example `workspaces[0].tokens[2].owner: `; empty if the whole text is wrong.
    pub field: String,
    pub sentence: String,
}

impl SeedError {
    /// An error about a value that has been read.
    pub fn at(text: &Text, field: &str, sentence: impl Into<String>) -> Self {
        Self { file: String::new(), line: text.line(), field: format!("{field}: "), sentence: sentence.into() }
    }

    #[must_use]
    pub fn in_file(self, file: &str) -> Self {
        Self { file: file.to_owned(), ..self }
    }

    fn place(&self) -> String {
        match (self.file.as_str(), self.line) {
            ("", 0) => String::new(),
            ("", line) => format!("line {line}: "),
            (file, 0) => format!("{file}: "),
            (file, line) => format!("{file}:{line}: "),
        }
    }
}

/// Reads a seed in YAML or JSON.
pub fn parse(text: &str) -> Result<Seed, SeedError> {
    read(text)
}

/// Reads the part of a seed that describes one workspace.
pub fn parse_workspace(text: &str) -> Result<WorkspaceSeed, SeedError> {
    read(text)
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, SeedError> {
    let mut track = Track::new();
    let parsed =
        serde_saphyr::with_deserializer_from_str(text, |inner| T::deserialize(TracksPath::new(inner, &mut track)));
    parsed.map_err(|error| {
        let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
        let line = error.location().map_or(0, |at| at.line());
        let path = track.path().to_string().replace(".value", "");
        let field = if path == "." { String::new() } else { format!("{path}: ") };
        let mut sentence = error.without_snippet().to_string();
        if let Some(place) = place {
            sentence = sentence.replace(&place, "");
        }
        SeedError { file: String::new(), line, field, sentence: in_plain_words(&sentence) }
    })
}

/// # Errors
/// Only if a value cannot be written, which is a defect.
pub fn to_yaml(seed: &Seed) -> Result<String, String> {
    serde_saphyr::to_string(seed).map_err(|error| error.to_string())
}

pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Seed).to_value()
}

impl WorkspaceSeed {
    /// The id of the workspace; `None` is the default one.
    pub fn id(&self, field: &str) -> Result<Option<WorkspaceId>, SeedError> {
        let Some(text) = &self.workspace_id else { return Ok(None) };
        let id = WorkspaceId::parse(text.as_str()).filter(|id| id.is_usable());
        let wrong = || SeedError::at(text, &format!("{field}.workspace_id"), "not a workspace id; use up to 16 digits");
        id.map(Some).ok_or_else(wrong)
    }
}

/// `moment` as an instant. Relative ones are counted from `now`.
pub fn instant(moment: Option<Moment>, now: Millis) -> Option<Millis> {
    match moment {
        Some(Moment::At(at)) => Some(at),
        Some(Moment::FromNow(ms)) => Some(now.plus(ms)),
        Some(Moment::Never) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_equivalent() {
        let yaml = "random_seed: 7\nworkspaces:\n- workspace_id: 42\n  tokens:\n  - owner: a@example.com\n    expires: never\n    created: -100d\n";
        let json = r#"{"random_seed": 7, "workspaces": [{"workspace_id": "42", "tokens":
            [{"owner": "a@example.com", "expires": "never", "created": "-100d"}]}]}"#;
        let (yaml, json) = (parse(yaml).unwrap(), parse(json).unwrap());
        assert_eq!(to_yaml(&yaml), to_yaml(&json));
        assert_eq!(yaml.workspaces[0].id("w"), Ok(Some(WorkspaceId(42))));
        assert_eq!(to_yaml(&parse(&to_yaml(&yaml).unwrap()).unwrap()), to_yaml(&yaml), "it round-trips");
    }

    #[test]
    fn errors_name_line_and_field() {
        for (text, expected) in [
            ("workspaces:\n- colour: red\n", "s.yaml:2: workspaces[0].colour: unknown field `colour`"),
            ("workspaces:\n- tokens:\n  - comment: x\n", "s.yaml:3: workspaces[0].tokens[0]: missing field `owner`"),
            (
                "workspaces:\n- users:\n  - user_name: a\n    active: maybe\n",
                "s.yaml:4: workspaces[0].users[0].active: invalid boolean",
            ),
            (
                "workspaces:\n- tokens:\n  - owner: a\n    created: soon\n",
                "s.yaml:4: workspaces[0].tokens[0].created: invalid time 'soon'",
            ),
            (
                "workspaces:\n- tokens:\n  - owner: a\n    lifetime: -1d\n",
                "s.yaml:4: workspaces[0].tokens[0].lifetime: invalid duration '-1d'",
            ),
            ("workspaces: [", "s.yaml:1: "),
            ("- a\n", "s.yaml:1: "),
        ] {
            let error = parse(text).unwrap_err().in_file("s.yaml").to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn every_template_describes_one_workspace() {
        for (name, text) in TEMPLATES {
            let seed = parse(text).unwrap();
            assert_eq!((seed.accounts.len(), seed.workspaces.len()), (0, 1), "{name}");
            assert!(template(name).is_some());
        }
        assert!(template("none").is_none());
    }

    #[test]
    fn moments_are_absolute_or_from_now() {
        let now = Millis(1_000_000);
        assert_eq!(instant(Some(Moment::FromNow(-1)), now), Some(Millis(999_999)));
        assert_eq!(instant(Some(Moment::Never), now), None);
        assert_eq!(instant(Some(Moment::At(Millis(5))), now), Some(Millis(5)));
    }
}
