//! The token report: its order and pages against a model, who may ask, and what a spreadsheet gets.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::Method;
use dapi_mock::cli::surface;
use dapi_mock::control::Access;
use dapi_mock::control::routes::{ROUTES, Who};
use dapi_mock::domain::clock::WorkspaceClock;
use dapi_mock::domain::identities::{Principal, PrincipalKind};
use dapi_mock::domain::oauth::{ClientSecret, Secret};
use dapi_mock::domain::report::{Filter, Order, Place, Range, SortBy};
use dapi_mock::domain::tokens::{Token, Visibility};
use dapi_mock::domain::{AccountId, Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use dapi_mock::http::SignInPolicy;
use dapi_mock::service::ADMIN_CLIENT_ID;
use dapi_mock::store::{Lock, Part, Reported};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Answer, Backend, DAY_MS, START, World, assigned, on_every_store};
use crate::oauth::account;
use crate::people::{CREATE, Kind, ME};

on_every_store!(
    pages_and_export_are_the_model_filtered_and_sorted,
    rows_are_counted_as_each_workspace_shows_them,
    the_export_comes_back_from_a_reader_of_csv,
    it_makes_no_difference_how_rows_are_found,
    tokens_are_revoked_in_many_workspaces_at_once,
    accounts_do_not_see_each_other,
    nothing_is_asked_but_for_the_report,
    a_page_goes_on_while_tokens_come_and_go,
    buttons_are_counted_under_the_other_filters,
    a_dry_run_names_what_would_be_revoked,
);

pub(crate) const ELSEWHERE: &str = "dapi00000000000000000000000000000077";

pub(crate) fn report_path(rest: &str) -> String {
    format!("accounts/{}/token-report{rest}", account())
}

impl World {
    /// What the account admin gets of the report.
    pub(crate) async fn report_answer(&self, rest: &str) -> Answer {
        let admin = self.account_oauth().await;
        self.client(&admin).own(Method::GET, &report_path(rest), &json!({})).await
    }

    pub(crate) async fn report(&self, rest: &str) -> Value {
        let answer = self.report_answer(rest).await;
        assert_eq!(answer.status, 200, "{rest}: {answer:?}");
        answer.json()
    }

    /// The ids of the tokens that a query shows, in order; all of them are on one page.
    pub(crate) async fn reported(&self, query: &str) -> Vec<String> {
        let report = self.report(&format!("?limit=1000&{query}")).await;
        let ids = ids(&report);
        assert_eq!(report["total"], ids.len(), "{query}");
        ids
    }

    pub(crate) async fn revoke_reported(&self, tokens: &Value) -> Answer {
        let admin = self.account_oauth().await;
        self.client(&admin).own(Method::POST, &report_path("/revoke"), &json!({ "tokens": tokens })).await
    }

    pub(crate) async fn report_statistics(&self) -> (u64, u64) {
        let path = report_path("/statistics");
        let answer = self.anonymous().own(Method::GET, &path, &json!({})).await.json();
        let number = |name: &str| answer[name].as_u64().unwrap();
        (number("report_queries_total"), number("report_statements_total"))
    }

    async fn insert(&self, tokens: &[Token]) {
        let mut writer = self.service.store().write(Lock::Database).await.unwrap();
        for token in tokens {
            writer.insert_token(token).await.unwrap();
        }
        writer.commit().await.unwrap();
    }
}

pub(crate) fn ids(report: &Value) -> Vec<String> {
    report["tokens"].as_array().unwrap().iter().map(|row| row["token_id"].as_str().unwrap().to_owned()).collect()
}

/// The records of an export with the header's names, read by a reader of its own.
pub(crate) fn records(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(ToOwned::to_owned).collect();
    reader
        .records()
        .map(|record| names.iter().cloned().zip(record.unwrap().iter().map(ToOwned::to_owned)).collect())
        .collect()
}

/// What the model knows of a token.
#[derive(Clone)]
struct Known {
    token: Token,
    workspace: Workspace,
    /// Name, and whether it is active; `None` when it is gone.
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
    // In another account nobody is to look at any of it.
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
    world.insert(&all.iter().map(|known| known.token.clone()).collect::<Vec<_>>()).await;
    // And the tokens that came with the workspaces.
    for (workspace, name, value) in
        [(&home, "admin@example.com", crate::harness::ADMIN_TOKEN), (&other, "admin@77.example.com", ELSEWHERE)]
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

/// A query, and what the model answers.
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

async fn pages_and_export_are_the_model_filtered_and_sorted(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(31);
    let model = model(&world, &mut random).await;
    let admin = world.account_oauth().await;
    let mut sizes = BTreeSet::new();
    for _ in 0..120 {
        let (query, expected) = ask(&model, &mut random);
        sizes.insert(expected.len());
        let limit = [1, 2, 7, 50, 1000][random.random_range(usize::from(expected.len() > 20)..5)];
        let counted = random.random_range(0..2) == 0;
        let ask = async |path: &str| {
            let answer = world.client(&admin).own(Method::GET, &report_path(path), &json!({})).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            answer.json()
        };
        let (mut found, mut page_token) = (Vec::new(), String::new());
        let mut last = loop {
            let path = format!("?{query}&limit={limit}&count={counted}{page_token}");
            let page = ask(&path).await;
            assert_eq!(page.get("total").cloned(), counted.then(|| json!(expected.len())), "{path}");
            found.extend(ids(&page));
            let Some(next) = page.get("next_page_token") else { break page };
            assert_eq!(ids(&page).len(), limit, "{path}: a full page, as there are more");
            page_token = format!("&page_token={}", next.as_str().unwrap());
        };
        assert_eq!(found, expected, "{query} by {limit}");
        // And back again, page by page.
        let mut rest = expected.len() - ids(&last).len();
        while let Some(text) = last.get("prev_page_token").cloned() {
            last = ask(&format!("?{query}&limit={limit}&count={counted}&page_token={}", text.as_str().unwrap())).await;
            assert_eq!(ids(&last), expected[rest - limit..rest], "{query} by {limit}");
            assert!(last.get("next_page_token").is_some());
            rest -= limit;
        }
        assert_eq!(rest, 0, "{query} by {limit}");
        let export = world.client(&admin).own(Method::GET, &report_path(&format!(".csv?{query}")), &json!({})).await;
        assert_eq!(export.status, 200, "{query}: {export:?}");
        let exported: Vec<String> = records(&export.text).into_iter().map(|row| row["token_id"].clone()).collect();
        assert_eq!(exported, expected, "{query}");
    }
    assert!(sizes.len() > 20 && sizes.contains(&0), "too few kinds of answers: {sizes:?}");
}

/// By the index of an order or by the filter: the store finds the same rows, from any place on.
async fn it_makes_no_difference_how_rows_are_found(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(33);
    model(&world, &mut random).await;
    let mut reader = world.service.store().read().await.unwrap();
    let workspace = reader.find_workspace(WorkspaceId(77)).await.unwrap().unwrap();
    let horizon = Visibility::with_expired(&workspace.behaviour, workspace.clock.at(world.now()));
    let mut pages = 0;
    for by in [SortBy::Created, SortBy::Expires, SortBy::LastUsed, SortBy::Owner, SortBy::Workspace] {
        for descending in [false, true] {
            let order = Order { by, descending, gone_first: false };
            let parts = if by == SortBy::Owner { &[Part::Named, Part::Gone][..] } else { &[Part::All] };
            for part in parts.iter().chain(parts).chain(parts) {
                let mut range = || {
                    let mut bound = || random.random_range(0..2) == 0;
                    let (from, until) =
                        (bound().then(|| START.plus(-60 * DAY_MS)), bound().then(|| START.plus(20 * DAY_MS)));
                    Range { from, until }
                };
                let filter = Filter { created: range(), expires: range(), last_used: range(), ..Filter::default() };
                let asked = Reported { workspace: &workspace, horizon, filter: &filter, owners: None, tokens: None };
                let mut after: Option<Place> = None;
                loop {
                    let place = after.as_ref().map(|place| (&place.key, place.token.as_str()));
                    let mut find =
                        async |by_order| reader.list_reported(asked, *part, order, place, by_order, 5).await.unwrap();
                    let rows = find(true).await;
                    assert_eq!(rows, find(false).await, "{order:?} {part:?} {filter:?} {after:?}");
                    let Some(last) = rows.last() else { break };
                    after = Some(order.place(last));
                    pages += 1;
                }
            }
        }
    }
    assert!(pages > 60, "{pages}");
}

/// What people do without the report: a loop over the workspaces by token management (governance §3).
async fn rows_are_counted_as_each_workspace_shows_them(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(32);
    model(&world, &mut random).await;
    let mut looped: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let mut reported = looped.clone();
    let key = |row: &Value| (row["workspace_id"].as_u64().unwrap(), row["owner_id"].as_u64().unwrap());
    let mut same = Vec::new();
    for id in ["3274327432743274", "77"] {
        // An access token goes by its workspace's clock.
        let (client, form) = (ADMIN_CLIENT_ID.to_string(), "grant_type=client_credentials&scope=all-apis");
        let path = format!("/oidc/v1/token?o={id}");
        let answer = world.ask_for_token(&path, Some((&client, crate::harness::ADMIN_SECRET)), form).await.json();
        let admin = answer["access_token"].as_str().unwrap();
        for row in world.client(admin).managed(&format!("?o={id}")).await {
            *looped.entry(key(&row)).or_default() += 1;
            same.push(row);
        }
    }
    let report = world.report("?limit=1000").await;
    for row in report["tokens"].as_array().unwrap() {
        *reported.entry(key(row)).or_default() += 1;
        let managed = same.iter().find(|managed| managed["token_id"] == row["token_id"]).unwrap();
        let expiry = managed["expiry_time"].as_i64().filter(|at| *at != -1);
        assert_eq!((&managed["creation_time"], json!(expiry)), (&row["creation_time"], row["expiry_time"].clone()));
        assert_eq!(managed.get("last_used_day").unwrap_or(&Value::Null), &row["last_used_day"]);
        assert_eq!(
            (&managed["comment"], &managed["created_by_username"]),
            (&row["comment"], &row["created_by_username"])
        );
    }
    assert_eq!(reported, looped);
    assert!(looped.len() > 8, "{looped:?}");
}

/// Texts that a careless export would break on, or a spreadsheet run.
const NASTY: &[&str] = &[
    "plain",
    "a,b;c",
    "say \"hi\"",
    "two\nlines\r\nthree",
    "=1+1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\ttab",
    "\rreturn",
    "'quoted",
    "''=twice",
    "＝1",
    "",
    " ",
    "日本語 ünïcode 🦀",
    "=HYPERLINK(\"http://evil.example.com\",\"x\")",
    "\"=1\"",
];

async fn the_export_comes_back_from_a_reader_of_csv(world: World) {
    let admin = world.admin_id().await;
    for text in NASTY {
        world.mint(admin, |token| (token.comment, token.created_by_username) = ((*text).into(), (*text).into())).await;
    }
    let owner = world.add_user("=cmd|' /C calc'!A0").await;
    world.mint(owner, |token| token.scopes = Some(vec!["sql".into(), "files".into()])).await;
    world.mint(owner, |token| token.expiry_time = None).await;
    let named =
        Workspace { id: WorkspaceId(79), name: "@ws,\"x\"".into(), is_default: false, ..world.workspace().await };
    let mut writer = world.service.store().write(Lock::Database).await.unwrap();
    writer.insert_workspace(&named).await.unwrap();
    writer.commit().await.unwrap();
    world.mint(owner, |token| token.workspace = named.id).await;

    let answer = world.report_answer(".csv?sort=created").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"token-report-2026-11-24.csv\"");
    let header = "token_id,workspace_id,workspace_name,owner_id,owner_name,owner_type,owner_active,created_by_username,\
                  comment,creation_time,expiry_time,last_used_day,long_lived,scopes\r\n";
    assert!(answer.text.starts_with(header) && answer.text.ends_with("\r\n"));
    let read = records(&answer.text);
    let report = world.report("?limit=1000").await;
    assert_eq!(read.len(), report["tokens"].as_array().unwrap().len());
    let mut comments = BTreeSet::new();
    for (record, row) in read.iter().zip(report["tokens"].as_array().unwrap()) {
        assert!(record.keys().eq(row.as_object().unwrap().keys()), "the same columns");
        for (name, cell) in record {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝']), "{name}: {cell:?}");
            let text = cell.strip_prefix('\'').unwrap_or(cell);
            let expected = match (name.as_str(), &row[name]) {
                (_, Value::Null) => String::new(),
                ("scopes", Value::Array(scopes)) => {
                    scopes.iter().map(|s| s.as_str().unwrap()).collect::<Vec<_>>().join(" ")
                }
                ("creation_time" | "expiry_time" | "last_used_day", at) => Millis(at.as_i64().unwrap()).rfc3339(),
                (_, Value::String(text)) => text.clone(),
                (_, other) => other.to_string(),
            };
            assert_eq!(text, expected, "{name}");
        }
        comments.insert(row["comment"].as_str().unwrap().to_owned());
    }
    assert!(NASTY.iter().all(|text| comments.contains(*text)), "{comments:?}");
    let [of_scopes, of_workspace] =
        ["sql files", ""].map(|scopes| read.iter().rev().find(|row| row["scopes"] == scopes).unwrap());
    assert_eq!((of_scopes["owner_name"].as_str(), of_scopes["long_lived"].as_str()), ("'=cmd|' /c calc'!a0", "true"));
    assert!(of_workspace["creation_time"].ends_with('Z') && of_workspace["last_used_day"].is_empty());
    assert!(read.iter().any(|row| row["workspace_name"] == "'@ws,\"x\""));
    assert!(read.iter().any(|row| row["expiry_time"].is_empty() && row["long_lived"] == "true"));
    // An export without rows is a header.
    assert_eq!(world.report_answer(".csv?owner=nobody").await.text, header);
    for (query, says) in [
        ("limit=5", "limit"),
        ("page_token=x", "page_token"),
        ("count=true", "count"),
        ("counts=true", "counts"),
        ("x=1", "unknown field `x`"),
    ] {
        let refused = world.report_answer(&format!(".csv?{query}")).await;
        assert!(refused.status == 400 && refused.text.contains(says), "{refused:?}");
    }
}

async fn tokens_are_revoked_in_many_workspaces_at_once(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let clock = "workspaces/77/clock/advance";
    world.anonymous().own(Method::POST, clock, &json!({"by": "36h"})).await;
    let (here, here_id) = world.admin().create(&json!({})).await;
    let (there, there_id) = world.client(ELSEWHERE).create(&json!({})).await;
    let (spared, _) = world.admin().create(&json!({})).await;
    let expired = world.mint(world.admin_id().await, |token| token.expiry_time = Some(START.plus(-1))).await;
    let vacuumed = world.mint(world.admin_id().await, |token| token.expiry_time = Some(START.plus(-31 * DAY_MS))).await;
    let id = |value: &str| dapi_mock::domain::tokens::TokenValue::parse(value).unwrap().id().to_string();
    let at = |workspace: i64, token: &str| json!({"workspace_id": workspace, "token_id": token});
    let home = 3_274_327_432_743_274;
    let wanted = json!([
        at(home, &here_id),
        {"workspace_id": "77", "token_id": there_id},
        at(home, &there_id),
        at(99, &here_id),
        at(home, &here_id),
        at(home, &id(&expired)),
        at(home, &id(&vacuumed)),
    ]);
    let answer = world.revoke_reported(&wanted).await;
    let by_id = |rows: Vec<Value>| rows.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let told = |name: &str| by_id(answer.json()[name].as_array().unwrap().clone());
    assert_eq!(told("revoked"), by_id(vec![at(home, &here_id), at(77, &there_id), at(home, &id(&expired))]));
    assert_eq!(told("not_found"), by_id(vec![at(home, &there_id), at(99, &here_id), at(home, &id(&vacuumed))]));
    for (value, works) in [(&here, false), (&there, false), (&spared, true)] {
        assert_eq!(world.client(value).get(ME).await.status == 200, works);
    }
    world.client(&there).get(ME).await.refused(403, 403, "Invalid access token.");
    let events = async |workspace: i64| -> Vec<Value> {
        let path = format!("workspaces/{workspace}/audit?action=revokeDbToken");
        let log = world.anonymous().own(Method::GET, &path, &json!({})).await;
        let lines = log.text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|event: &Value| event["userIdentity"]["email"] == ADMIN_CLIENT_ID.to_string()).collect()
    };
    let (home_events, there_events) = (events(home).await, events(77).await);
    assert_eq!((home_events.len(), there_events.len()), (2, 1));
    assert_eq!(there_events[0]["requestParams"]["tokenId"], there_id);
    assert_eq!(there_events[0]["timestamp"], START.0 + 36 * HOUR, "the time of that workspace");
    assert_eq!(there_events[0]["workspaceId"], "77");
    assert_eq!(there_events[0]["requestId"], answer.header("x-request-id"));
    let fate =
        world.anonymous().own(Method::GET, &format!("workspaces/77/tokens?token_id={there_id}"), &json!({})).await;
    assert_eq!(fate.json()["tokens"][0]["state"], "revoked_by_account_admin");

    let again = world.revoke_reported(&wanted).await;
    assert_eq!((again.status.as_u16(), &again.json()["revoked"]), (200, &json!([])));
    assert_eq!((events(home).await.len(), events(77).await.len()), (2, 1), "nothing happened a second time");

    let many = |n: usize| -> Value { (0..n).map(|i| at(home, &i.to_string())).collect() };
    assert_eq!(world.revoke_reported(&many(1000)).await.status, 200);
    for (body, says) in [
        (many(1001), "1 to 1000"),
        (json!([]), "1 to 1000"),
        (json!([{"workspace_id": "x", "token_id": "a"}]), "no workspace id"),
        (json!([{"workspace_id": 1.5, "token_id": "a"}]), "no workspace id"),
        (json!([{"workspace_id": home}]), "token_id"),
        (json!([{"workspace_id": home, "token_id": "a\u{0}"}]), "U+0000"),
        (json!([{"workspace_id": home, "token_id": "a", "force": true}]), "force"),
        (json!("all"), "tokens"),
    ] {
        let refused = world.revoke_reported(&body).await;
        assert!(refused.status == 400 && refused.text.contains(says), "{body}: {refused:?}");
    }
}

/// An account admin of another account, with a secret of its own.
async fn foreign_admin(world: &World, workspace: &Workspace) -> String {
    let (id, name) = (PrincipalId(7_700), "7e57ab1e-0000-4000-8000-000000000001");
    let value = ClientSecret::parse("dose00000000000000000000000000000077").unwrap();
    let principal = Principal { account_admin: true, ..Principal::new(id, PrincipalKind::ServicePrincipal, name) };
    let secret = Secret {
        id: "s".into(),
        account: workspace.account,
        principal: id,
        hash: value.hash(),
        created_at: START,
        expires_at: START.plus(DAY_MS),
        scopes: None,
    };
    let mut writer = world.service.store().write(Lock::Database).await.unwrap();
    writer.insert_principal(workspace.account, &principal, START).await.unwrap();
    writer.put_assignment(workspace.id, id, &assigned(true)).await.unwrap();
    writer.insert_secret(&secret).await.unwrap();
    writer.commit().await.unwrap();
    let path = format!("/oidc/accounts/{}/v1/token", workspace.account);
    let form = "grant_type=client_credentials&scope=all-apis";
    let answer = world.ask_for_token(&path, Some((name, value.reveal())), form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn accounts_do_not_see_each_other(world: World) {
    let theirs = world.add_workspace(77, ELSEWHERE).await;
    let admin = foreign_admin(&world, &theirs).await;
    let admin = world.client(&admin);
    let (value, id) = world.admin().create(&json!({})).await;
    for (method, rest) in [(Method::GET, ""), (Method::GET, ".csv"), (Method::POST, "/revoke")] {
        let body = json!({"tokens": [{"workspace_id": 3_274_327_432_743_274_i64, "token_id": id}]});
        let refused = admin.own(method, &report_path(rest), &body).await;
        assert_eq!(refused.status, 404, "{rest}: {refused:?}");
    }
    let own = format!("accounts/{}/token-report", theirs.account);
    let report = admin.own(Method::GET, &own, &json!({})).await.json();
    assert_eq!((&report["total"], &report["tokens"][0]["workspace_id"]), (&json!(1), &json!(77)));
    let named = admin.own(Method::GET, &format!("{own}?workspace_id=3274327432743274"), &json!({})).await;
    assert_eq!(named.json(), json!({"tokens": [], "total": 0}));
    let body = json!({"tokens": [{"workspace_id": 3_274_327_432_743_274_i64, "token_id": id}]});
    let nothing = admin.own(Method::POST, &format!("{own}/revoke"), &body).await;
    assert_eq!(
        (&nothing.json()["revoked"], nothing.json()["not_found"][0]["token_id"].as_str()),
        (&json!([]), Some(&*id))
    );
    assert_eq!(world.client(&value).get(ME).await.status, 200);
    assert!(!ids(&world.report("").await).is_empty());
    assert!(world.reported("workspace_id=77").await.is_empty());
    assert_eq!(world.report_statistics().await.0, 2);
}

/// R19: nothing reads for the report but the report, and no cache stands in for it.
async fn nothing_is_asked_but_for_the_report(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    for _ in 0..5 {
        world.admin().create(&json!({"lifetime_seconds": 600})).await;
        world.admin().own_ids().await;
        world.admin().managed("").await;
    }
    world.anonymous().advance(&json!({"by": "1h"})).await;
    world.service.sweep_all().await.unwrap();
    assert_eq!(world.report_statistics().await, (0, 0));

    world.report("").await;
    // Of each workspace the count, and rows.
    assert_eq!(world.report_statistics().await, (1, 4));
    world.report("?count=false").await;
    assert_eq!(world.report_statistics().await, (2, 6));
    world.report("?count=false&workspace_id=77").await;
    assert_eq!(world.report_statistics().await, (3, 7));
    assert_eq!(world.report_answer(".csv").await.status, 200);
    assert_eq!(world.report_statistics().await, (4, 9));
    // Two counts more of each workspace; a button that is pressed needs none of its own.
    world.report("?counts=true").await;
    assert_eq!(world.report_statistics().await, (5, 17));
    world.report("?counts=true&no_expiry=true").await;
    assert_eq!(world.report_statistics().await, (6, 19), "there are none, and so no more to count");

    let before = world.report_statistics().await;
    for refused in ["?limit=0", "?x=1", "?page_token=abc", "?sort=colour", ".csv?created_from=soon"] {
        assert_eq!(world.report_answer(refused).await.status, 400, "{refused}");
    }
    assert_eq!(world.admin().own(Method::GET, &report_path(""), &json!({})).await.status, 401);
    world.anonymous().own(Method::GET, &report_path(".csv"), &json!({})).await;
    assert_eq!(world.report_statistics().await, before, "whoever is refused asks nothing");

    // And what it says is so: a token that came in between is there.
    let (_, id) = world.admin().create(&json!({})).await;
    assert!(ids(&world.report("?limit=1000").await).contains(&id));
}

async fn a_page_goes_on_while_tokens_come_and_go(world: World) {
    let admin = world.admin_id().await;
    for n in 0..6 {
        world.mint(admin, |token| token.creation_time = START.plus(n * 1000 - 9000)).await;
    }
    let all = world.reported("").await;
    let first = world.report("?limit=3").await;
    // The one that the page ended with goes, one comes before it, one after it.
    let gone = json!([{"workspace_id": 3_274_327_432_743_274_i64, "token_id": all[2]}]);
    assert_eq!(world.revoke_reported(&gone).await.json()["revoked"], gone);
    let earlier = world.mint(admin, |token| token.creation_time = START.plus(-20_000)).await;
    let later = world.mint(admin, |token| token.creation_time = START.plus(DAY_MS)).await;
    let id = |value: &str| dapi_mock::domain::tokens::TokenValue::parse(value).unwrap().id().to_string();
    let next = first["next_page_token"].as_str().unwrap();
    let rest = ids(&world.report(&format!("?limit=1000&page_token={next}")).await);
    assert_eq!(rest, [&all[3..], &[id(&later)]].concat());
    assert!(!rest.contains(&id(&earlier)));
    for wrong in [format!("{next}&sort=expires"), format!("{next}&no_expiry=true"), "bm9uZQ".to_owned()] {
        let refused = world.report_answer(&format!("?page_token={wrong}")).await;
        assert!(refused.status == 400 && refused.text.contains("page_token"), "{refused:?}");
    }
}

async fn buttons_are_counted_under_the_other_filters(world: World) {
    let mut random = ChaCha20Rng::seed_from_u64(34);
    let model = model(&world, &mut random).await;
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        let (query, expected) = ask(&model, &mut random);
        let counts = world.report(&format!("?limit=1&counts=true&{query}")).await;
        assert_eq!(counts["total"], expected.len(), "{query}");
        for button in ["inactive_principals", "no_expiry"] {
            let pressed = format!("{button}=true");
            let more = if query.contains(&pressed) { String::new() } else { format!("&{pressed}") };
            let found = world.reported(&format!("{query}{more}")).await.len();
            assert_eq!(counts["counts"][button], found, "{query}");
            seen.insert((button, found.min(2)));
        }
    }
    assert_eq!(seen.len(), 6, "each button had none, one and more: {seen:?}");
    assert_eq!(world.report("?counts=true&count=false").await["total"], world.reported("").await.len());
    assert_eq!(world.report("").await.get("counts"), None);
}

async fn a_dry_run_names_what_would_be_revoked(world: World) {
    world.add_second_workspace(77, world.now(), ELSEWHERE).await;
    let eva = world.add_user("eva@example.com").await;
    world.set_active(eva, false).await;
    world.mint(eva, |token| token.comment = "laptop".into()).await;
    world.mint(eva, |token| token.expiry_time = Some(START.plus(-31 * DAY_MS))).await;
    let rows = world.report("").await["tokens"].clone();
    let home = 3_274_327_432_743_274_i64;
    let chosen: Vec<Value> = rows.as_array().unwrap().iter().map(chosen).collect();
    let none = json!([{"workspace_id": home, "token_id": "none"}, {"workspace_id": 99, "token_id": "none"}]);
    let all = [&chosen[..], none.as_array().unwrap(), &chosen[..1]].concat();
    let admin = world.account_oauth().await;
    let body = json!({"tokens": all, "dry_run": true});
    let answer = world.client(&admin).own(Method::POST, &report_path("/revoke"), &body).await.json();
    let by_id = |rows: &Value| {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| (row["token_id"].to_string(), row.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(by_id(&answer["would_revoke"]), by_id(&rows));
    let laptop = rows.as_array().unwrap().iter().find(|row| row["comment"] == "laptop").unwrap();
    assert_eq!((&laptop["owner_name"], &laptop["owner_active"]), (&json!("eva@example.com"), &json!(false)));
    let missed = |row: &Value| row["workspace_id"].as_i64().unwrap();
    let missed: BTreeSet<i64> = answer["not_found"].as_array().unwrap().iter().map(missed).collect();
    assert_eq!(missed, BTreeSet::from([99, home]));
    // Nothing happened, and it was no question to the report.
    assert_eq!(world.report("").await["tokens"], rows);
    assert_eq!(world.report_statistics().await.0, 2);
    let log = world.anonymous().own(Method::GET, "workspaces/default/audit?action=revokeDbToken", &json!({})).await;
    assert_eq!(log.text, "");
    let revoked = world.revoke_reported(&json!(chosen)).await.json();
    assert_eq!(revoked["revoked"].as_array().unwrap().len(), chosen.len(), "{revoked}");
}

/// What names a row's token.
fn chosen(row: &Value) -> Value {
    json!({"workspace_id": row["workspace_id"], "token_id": row["token_id"]})
}

#[tokio::test]
async fn only_account_admins_by_oauth_are_let_in() {
    let world = World::new(Backend::Memory).await;
    let robot = world.admin().robot("admin of the workspace").await;
    let admins = crate::people::Person {
        kind: Kind::Group,
        id: world.workspace().await.admins_group.to_string(),
        name: "admins".into(),
    };
    world.admin().join(&admins, &robot).await;
    let by_oauth = world.robot_oauth(&robot).await;
    assert_eq!(world.client(&by_oauth).managed("").await.len(), 1, "a workspace admin");
    let account_admins_token = world.mint(world.user_id(dapi_mock::service::ACCOUNT_ADMIN_USER).await, |_| {}).await;
    let account_admin = world.account_oauth().await;
    let scoped = {
        let (id, secret) = (ADMIN_CLIENT_ID.to_string(), crate::harness::ADMIN_SECRET);
        let form = "grant_type=client_credentials&scope=sql";
        let answer = world.ask_for_token("/oidc/v1/token", Some((&id, secret)), form).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let expected = [
        (None, 401, "Credential was not sent"),
        (Some("nonsense"), 403, "Invalid access token."),
        (Some(crate::harness::ADMIN_TOKEN), 401, "Account APIs do not accept personal access tokens; use OAuth."),
        (Some(&*account_admins_token), 401, "Account APIs do not accept personal access tokens; use OAuth."),
        (Some(&*by_oauth), 403, "without account admin status."),
        (Some(&*scoped), 403, "required scopes: authentication"),
        (Some(&*account_admin), 200, ""),
    ];
    let body = json!({"tokens": [{"workspace_id": 1, "token_id": "none"}]});
    let console: Vec<_> = ROUTES.iter().filter(|route| route.who == Who::AccountAdmin).collect();
    assert_eq!(console.len(), 3);
    // With the control API open, behind a key, closed, and off: it makes no difference to the account console.
    for access in [
        Access::Open,
        Access::new(true, Some("key"), false, false),
        Access::new(true, None, false, false),
        Access::new(false, None, true, false),
    ] {
        let router = surface(&world.service, access.clone(), SignInPolicy::Open(None), None);
        let ask = async |method: &Method, path: &str, token: Option<&str>, more: (&str, &str)| {
            let client = token.map_or_else(|| world.anonymous(), |token| world.client(token));
            let request = client.request(method, &format!("/_mock{path}")).header("content-type", "application/json");
            let request = request.header(more.0, more.1).body(Body::from(body.to_string())).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            (status, String::from_utf8(bytes.to_vec()).unwrap())
        };
        for route in &console {
            let path = route.path.replace("{account}", &account());
            for (token, status, says) in expected {
                let (found, text) = ask(&route.method, &path, token, ("x", "")).await;
                assert_eq!(found, status, "{access}, {path}, {token:?}: {text}");
                assert!(status == 200 || (text.starts_with("{\"error\":") && text.contains(says)), "{text}");
            }
            let (key, _) = ask(&route.method, &path, Some("key"), ("x", "")).await;
            assert_eq!(key, 403, "the control key is no credential here");
            let page = ("origin", "http://evil.example.com");
            assert_eq!(ask(&route.method, &path, Some(&account_admin), page).await.0, 403, "{path}");
        }
        // The operator's route beside them is the operator's.
        let statistics = format!("/v1/accounts/{}/token-report/statistics", account());
        let (status, _) = ask(&Method::GET, &statistics, Some(&account_admin), ("x", "")).await;
        assert_eq!(status == 200, matches!(access, Access::Open), "{access}");
    }
    let nobody = AccountId(uuid::Uuid::nil());
    for account in [nobody.to_string(), "x".to_owned()] {
        let path = format!("accounts/{account}/token-report");
        assert_eq!(world.client(&account_admin).own(Method::GET, &path, &json!({})).await.status, 404);
    }
    assert_eq!(world.admin().post(CREATE, &json!({})).await.status, 200, "none of it changed anything");
}

#[tokio::test]
async fn slips_of_the_pen_are_named() {
    let world = World::new(Backend::Memory).await;
    for (query, says) in [
        ("owners=x", "unknown field `owners`"),
        ("limit=0", "limit: use 1 to 1000"),
        ("limit=1001", "limit: use 1 to 1000"),
        ("limit=ten", "limit: expected a number"),
        ("sort=colour", "sort: 'colour'"),
        ("order=up", "order: 'up'"),
        ("workspace_id=default", "workspace_id: 'default'"),
        ("created_from=yesterday", "created_from: 'yesterday'"),
        ("last_used_to=2026-02-30", "last_used_to: '2026-02-30'"),
        ("no_expiry=yes", "no_expiry: provided string was not"),
        ("owner=a&owner=b", "duplicate field `owner`"),
        ("owner=%00", "U+0000"),
    ] {
        let refused = world.report_answer(&format!("?{query}")).await;
        assert!(refused.status == 400 && refused.text.contains(says), "{query}: {refused:?}");
    }
}
