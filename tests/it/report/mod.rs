//! The token report: its rows, pages and orders against a model, its access rules, its CSV export and its revocations.

mod access;
mod export;
mod model;
mod queries;
mod revoking;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use dapi_mock::domain::clock::WorkspaceClock;
use dapi_mock::domain::identities::{Principal, PrincipalKind};
use dapi_mock::domain::tokens::{Token, Visibility};
use dapi_mock::domain::{Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use dapi_mock::store::Lock;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::support::{ADMIN_TOKEN, DAY_MS, ELSEWHERE, START, World, assigned};

/// What the model knows of a token.
#[derive(Clone)]
struct Known {
    token: Token,
    workspace: Workspace,
    /// Its name and whether it is active; `None` if it was deleted.
    owner: Option<(String, bool)>,
}

struct Model {
    all: Vec<Known>,
    owners: Vec<(PrincipalId, Option<String>)>,
    now: Millis,
}

const HOUR: i64 = 3_600_000;

/// Two workspaces of the account that share owners, each with its clock; few enough instants and comments for
/// many ties.
async fn model(world: &World, random: &mut ChaCha20Rng) -> Model {
    let other = world.add_second_workspace(77, START, ELSEWHERE).await;
    let home = world.workspace().await;
    // A workspace of another account, which nobody here may see.
    let foreign = world.add_workspace(78, "dapi00000000000000000000000000000078").await;
    let mut writer = world.service.store().write(Lock::Database).await.unwrap();
    writer.update_clock(other.id, WorkspaceClock::offset(40 * DAY_MS)).await.unwrap();
    let account = other.account;
    let mut owners = vec![(PrincipalId(900), None), (PrincipalId(901), None)];
    let mut active_in = BTreeMap::new();
    for (n, name) in ["Zoe", "ann", "Ben", "ann2", "ünal", "robot"].iter().enumerate() {
        let id = PrincipalId(902 + i64::try_from(n).unwrap());
        let kind = if n % 3 == 2 { PrincipalKind::ServicePrincipal } else { PrincipalKind::User };
        let principal = Principal { active: n != 1, ..Principal::new(id, kind, name) };
        writer.insert_principal(account, &principal, START).await.unwrap();
        for (w, workspace) in [home.id, other.id].into_iter().enumerate() {
            let place = (n + w) % 4;
            if place != 3 {
                writer.put_assignment(workspace, id, &assigned(place != 2)).await.unwrap();
            }
            active_in.insert((workspace, id), principal.active && place < 2);
        }
        owners.push((id, Some((*name).to_owned())));
    }
    writer.commit().await.unwrap();
    let mut reader = world.service.store().read().await.unwrap();
    let mut workspaces = reader.list_workspaces(account).await.unwrap();
    workspaces.sort_by(|a, b| a.name.cmp(&b.name));
    drop(reader);
    workspaces.push(foreign);
    let mut all = Vec::new();
    for i in 0..260 {
        let workspace = &workspaces[random.random_range(0..workspaces.len())];
        let (owner, name) = owners[random.random_range(0..owners.len())].clone();
        let created = START.plus(-random.random_range(0..100) * DAY_MS - random.random_range(0..3) * 8 * HOUR);
        let expiry = match random.random_range(0..4) {
            0 => None,
            1 => Some(START.plus(random.random_range(-40..40) * DAY_MS)),
            _ => Some(created.plus(random.random_range(1..400) * DAY_MS)),
        };
        let used = (random.random_range(0..3) > 0).then(|| created.plus(random.random_range(0..30) * 8 * HOUR));
        let token = Token {
            workspace: workspace.id,
            id: TokenId::from_text(format!("{:064x}", random.random_range(0..u64::MAX))),
            owner,
            created_by: owner,
            created_by_username: "seed".into(),
            comment: format!("{i}"),
            creation_time: created,
            expiry_time: expiry,
            last_used: used,
            scopes: None,
            autoscope_state: None,
            autoscope_until: None,
            inferred_scopes: None,
            backfill_scopes: None,
        };
        let is_active = active_in.get(&(workspace.id, owner)).copied().unwrap_or_default();
        all.push(Known { token, workspace: workspace.clone(), owner: name.map(|name| (name, is_active)) });
    }
    world.insert_tokens(&all.iter().map(|known| known.token.clone()).collect::<Vec<_>>()).await;
    // The tokens that the workspaces began with.
    for (workspace, name, value) in
        [(&home, "admin@example.com", ADMIN_TOKEN), (&other, "admin@77.example.com", ELSEWHERE)]
    {
        let mut reader = world.service.store().read().await.unwrap();
        let id = dapi_mock::domain::tokens::TokenValue::parse(value).unwrap().id();
        let token = reader.find_token(workspace.id, &id).await.unwrap().unwrap();
        let workspace = reader.find_workspace(workspace.id).await.unwrap().unwrap();
        owners.push((token.owner, Some(name.to_owned())));
        all.push(Known { token, workspace, owner: Some((name.to_owned(), true)) });
    }
    all.retain(|known| known.workspace.account == account);
    Model { all, owners, now: world.now() }
}

type Time = fn(&Token) -> Option<Millis>;

/// A random query, and the ids that the model answers.
fn ask(model: &Model, random: &mut ChaCha20Rng) -> (String, Vec<String>) {
    let mut query: Vec<String> = Vec::new();
    let mut rows: Vec<&Known> = model
        .all
        .iter()
        .filter(|known| {
            let now = known.workspace.clock.at(model.now);
            Visibility::with_expired(&known.workspace.behaviour, now).shows(&known.token)
        })
        .collect();
    let sometimes = |random: &mut ChaCha20Rng| random.random_range(0..4) == 0;
    if sometimes(random) {
        let (id, name) = &model.owners[random.random_range(0..model.owners.len())];
        let by_name = name.as_ref().filter(|_| random.random_range(0..2) == 0);
        query.push(format!("owner={}", by_name.map_or_else(|| id.to_string(), |name| encoded(&name.to_uppercase()))));
        rows.retain(|known| known.token.owner == *id);
    }
    if sometimes(random) {
        query.push("workspace_id=77".into());
        rows.retain(|known| known.workspace.id == WorkspaceId(77));
    }
    let times: [(&str, Time); 3] = [
        ("created", |token| Some(token.creation_time)),
        ("expires", |token| token.expiry_time),
        ("last_used", |token| token.last_used),
    ];
    for (name, time) in times {
        for (end, is_first) in [("from", true), ("to", false)] {
            if !sometimes(random) {
                continue;
            }
            let at = START.plus(random.random_range(-90..90) * DAY_MS).start_of_utc_day();
            let as_day = random.random_range(0..2) == 0;
            let text = if as_day { at.rfc3339()[..10].to_owned() } else { at.0.to_string() };
            query.push(format!("{name}_{end}={text}"));
            let bound = if as_day && !is_first { at.plus(DAY_MS) } else { at };
            rows.retain(|known| time(&known.token).is_some_and(|time| (time >= bound) == is_first));
        }
    }
    if sometimes(random) {
        query.push("inactive_principals=true".into());
        rows.retain(|known| !known.owner.as_ref().is_some_and(|(_, active)| *active));
    }
    if sometimes(random) {
        query.push("no_expiry=true".into());
        rows.retain(|known| known.token.expiry_time.is_none());
    }
    let by = ["created", "expires", "last_used", "owner", "workspace"][random.random_range(0..5)];
    let descending = random.random_range(0..2) == 0;
    query.push(format!("sort={by}&order={}", if descending { "desc" } else { "asc" }));
    rows.sort_by(|a, b| compare(by, descending, a, b));
    (query.join("&"), rows.iter().map(|known| known.token.id.to_string()).collect())
}

fn compare(by: &str, descending: bool, a: &Known, b: &Known) -> Ordering {
    let (x, y) = (&a.token, &b.token);
    let name = |known: &Known| known.owner.as_ref().map(|(name, _)| name.to_lowercase());
    let by_time = x.creation_time.cmp(&y.creation_time);
    let place = |known: &Known| (known.workspace.name.clone(), known.workspace.id);
    let key = match by {
        "created" => by_time,
        "expires" => x.expiry_time.is_none().cmp(&y.expiry_time.is_none()).then(x.expiry_time.cmp(&y.expiry_time)),
        "last_used" => x.last_used.cmp(&y.last_used),
        "owner" => name(a).cmp(&name(b)).then(x.owner.cmp(&y.owner)).then(by_time),
        _ => place(a).cmp(&place(b)).then(by_time),
    };
    let forwards = key.then(x.workspace.cmp(&y.workspace)).then(x.id.cmp(&y.id));
    let turned = if descending { forwards.reverse() } else { forwards };
    if by == "owner" { a.owner.is_none().cmp(&b.owner.is_none()).then(turned) } else { turned }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
