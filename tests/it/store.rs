//! The store: what every database must do alike.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dapi_mock::domain::access::PermissionLevel;
use dapi_mock::domain::clock::WorkspaceClock;
use dapi_mock::domain::identities::PrincipalKind;
use dapi_mock::domain::settings::{Behaviour, ConfValue, PermissionLoss};
use dapi_mock::domain::tokens::{EndCause, Token, TokenEnd, Visibility};
use dapi_mock::domain::{Millis, PrincipalId, TokenId, Workspace, WorkspaceId};
use dapi_mock::store::{HistoryFilter, Lock, NewEntry, Store, StoreError, TokenUse};

use crate::support::{Backend, DAY_MS, START, World, on_every_store};

on_every_store!(
    tokens_round_trip,
    queries_and_rules_agree_on_what_is_live,
    an_ended_token_leaves_a_tombstone,
    uses_only_move_forward,
    workspaces_round_trip,
    memberships_include_nested_groups_and_tolerate_cycles,
    an_uncommitted_change_did_not_happen,
    what_cannot_be_stored_is_refused_alike,
    a_restart_changes_nothing,
    entries_are_kept_in_order_once_each_and_within_limits,
    a_workspace_shows_its_own_entries_and_the_default_one_those_of_none,
);

fn sample(workspace: WorkspaceId, owner: PrincipalId, id: &str) -> Token {
    Token {
        workspace,
        id: TokenId::from_text(id),
        owner,
        created_by: PrincipalId(7),
        created_by_username: "creator@example.com".into(),
        comment: "with 'quotes', ünïcode and \n newline".into(),
        creation_time: START,
        expiry_time: None,
        last_used: Some(START.plus(5)),
        scopes: Some(vec!["sql".into(), "files".into()]),
        autoscope_state: Some("AUTOSCOPE_STATE_RUNNING".into()),
        autoscope_until: Some(START.plus(9)),
        inferred_scopes: Some(vec![]),
        backfill_scopes: Some(vec!["jobs".into()]),
    }
}

async fn insert(world: &World, token: &Token) {
    let mut writer = world.service.store().write(Lock::Owner(token.workspace, token.owner)).await.unwrap();
    writer.insert_token(token).await.unwrap();
    writer.commit().await.unwrap();
}

async fn tokens_round_trip(world: World) {
    let workspace = world.workspace().await;
    let token = sample(workspace.id, world.admin_id().await, "aa");
    insert(&world, &token).await;
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.find_token(workspace.id, &token.id).await.unwrap().as_ref(), Some(&token));
    assert_eq!(reader.find_token(WorkspaceId(1), &token.id).await.unwrap(), None);
    let presented = reader.find_presented_tokens(&token.id).await.unwrap();
    assert_eq!(presented.len(), 1);
    assert_eq!((&presented[0].token, &presented[0].workspace), (&token, &workspace));
    let owner = presented[0].owner.as_ref().unwrap();
    assert!(owner.name == "admin@example.com" && owner.kind == PrincipalKind::User);
}

/// The rule exists twice, in Rust and as an SQL condition; this test keeps them equal.
async fn queries_and_rules_agree_on_what_is_live(world: World) {
    let workspace = world.workspace().await;
    let owner = world.add_user("many@example.com").await;
    let mut tokens = Vec::new();
    let mut writer = world.service.store().write(Lock::Owner(workspace.id, owner)).await.unwrap();
    for (i, created) in [0, 1, 30, 89, 90, 91, 400].into_iter().enumerate() {
        for (j, expiry) in [None, Some(-1), Some(0), Some(1), Some(DAY_MS * 10)].into_iter().enumerate() {
            for (k, used) in
                [None, Some(0), Some(DAY_MS * 89), Some(DAY_MS * 90 - 1), Some(DAY_MS * 90)].into_iter().enumerate()
            {
                let mut token = sample(workspace.id, owner, &format!("{i}{j}{k}"));
                token.creation_time = START.plus(-created * DAY_MS);
                token.expiry_time = expiry.map(|ms| START.plus(ms));
                token.last_used = used.map(|ago| START.plus(-ago).max(token.creation_time));
                writer.insert_token(&token).await.unwrap();
                tokens.push(token);
            }
        }
    }
    writer.commit().await.unwrap();
    let mut reader = world.service.store().read().await.unwrap();
    for from_creation in [true, false] {
        let behaviour = Behaviour { never_used_counts_from_creation: from_creation, ..Behaviour::default() };
        for ahead in [-1, 0, 1, DAY_MS, 40 * DAY_MS] {
            let now = START.plus(ahead);
            for visibility in [Visibility::new(&behaviour, now), Visibility::with_expired(&behaviour, now)] {
                let ids = |tokens: &[&Token]| tokens.iter().map(|token| token.id.clone()).collect::<BTreeSet<_>>();
                let expected = ids(&tokens.iter().filter(|token| visibility.shows(token)).collect::<Vec<_>>());
                let listed = reader.list_tokens_of(workspace.id, owner, visibility).await.unwrap();
                assert_eq!(ids(&listed.iter().collect::<Vec<_>>()), expected, "{visibility:?}");
                assert!(listed.is_sorted_by_key(|token| (token.creation_time, token.id.clone())));
                let count = reader.count_tokens_of(workspace.id, owner, visibility).await.unwrap();
                assert_eq!(usize::try_from(count).unwrap(), expected.len());
            }
        }
    }
}

async fn an_ended_token_leaves_a_tombstone(world: World) {
    let workspace = world.workspace().await.id;
    let token = sample(workspace, world.admin_id().await, "bb");
    for (cause, at) in [(EndCause::RevokedByOwner, START), (EndCause::Inactive, START.plus(9))] {
        insert(&world, &token).await;
        let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
        let ends = [(&token.id, cause, at)];
        assert_eq!(writer.end_tokens(workspace, &ends, "who").await.unwrap(), 1);
        assert_eq!(writer.end_tokens(workspace, &ends, "who").await.unwrap(), 0);
        writer.commit().await.unwrap();
        let mut reader = world.service.store().read().await.unwrap();
        assert_eq!(reader.find_token(workspace, &token.id).await.unwrap(), None);
        let found = reader.find_ended_tokens(&token.id).await.unwrap();
        assert_eq!(found[0].ended, Some(TokenEnd { cause, actor: "who".to_owned(), at }));
        let workspace = reader.find_workspace(workspace).await.unwrap().unwrap();
        let histories = reader.list_token_histories(&workspace, HistoryFilter::one(&token.id), 10).await.unwrap();
        assert_eq!(histories.iter().map(|history| &history.end).collect::<Vec<_>>(), [&found[0].ended]);
    }
}

async fn uses_only_move_forward(world: World) {
    let workspace = world.workspace().await.id;
    let owner = world.admin_id().await;
    let token = Token { last_used: None, ..sample(workspace, owner, "cc") };
    insert(&world, &token).await;
    for (used, expected) in [(START.plus(50), 50), (START.plus(20), 50), (START.plus(70), 70)] {
        let mut writer = world.service.store().write(Lock::Owner(workspace, owner)).await.unwrap();
        let token_use = TokenUse { at: used, client: "client/1", inferred_scope: None };
        writer.record_use(workspace, &token.id, &token_use).await.unwrap();
        writer.commit().await.unwrap();
        let found = world.service.store().read().await.unwrap().find_token(workspace, &token.id).await.unwrap();
        assert_eq!(found.unwrap().last_used, Some(START.plus(expected)));
    }
}

async fn workspaces_round_trip(world: World) {
    let before = world.workspace().await;
    let behaviour =
        Behaviour { permission_loss: PermissionLoss::Mixed, token_value_suffix: Some(2), ..Behaviour::default() };
    let clock = WorkspaceClock::frozen(Millis(-5));
    let conf = ConfValue { value: "90".into(), previous: Some(String::new()), effective_at: START };
    let mut writer = world.service.store().write(Lock::Workspace(before.id)).await.unwrap();
    writer.update_behaviour(before.id, &behaviour).await.unwrap();
    writer.update_clock(before.id, clock).await.unwrap();
    for value in [&ConfValue { value: "1".into(), ..conf.clone() }, &conf] {
        writer.put_conf(before.id, "maxTokenLifetimeDays", value).await.unwrap();
    }
    writer.commit().await.unwrap();
    let mut expected = before.clone();
    expected.behaviour = behaviour;
    expected.clock = clock.not_before(Millis(0));
    expected.max_token_lifetime = Some(conf);
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.find_workspace(before.id).await.unwrap(), Some(expected));
    assert_eq!(reader.find_workspace(WorkspaceId(5)).await.unwrap(), None);
    assert_eq!(reader.count_workspaces().await.unwrap(), 1);
}

async fn memberships_include_nested_groups_and_tolerate_cycles(world: World) {
    let workspace = world.workspace().await;
    let user = world.add_user("nested@example.com").await;
    let inner = world.add_principal(PrincipalKind::Group, "inner").await;
    let outer = world.add_principal(PrincipalKind::Group, "outer").await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    for (group, member) in [(inner, user), (outer, inner), (inner, outer), (outer, inner)] {
        writer.put_member(workspace.account, group, member).await.unwrap();
    }
    writer.put_token_permission(workspace.id, workspace.users_group, None).await.unwrap();
    writer.put_token_permission(workspace.id, outer, Some(PermissionLevel::CanUse)).await.unwrap();
    writer.commit().await.unwrap();
    let mut reader = world.service.store().read().await.unwrap();
    let standing = reader.workspace_memberships(&workspace, user).await.unwrap();
    let reached: BTreeSet<PrincipalId> = standing.memberships.iter().map(|membership| membership.subject).collect();
    assert_eq!(reached, BTreeSet::from([user, inner, outer, workspace.users_group]));
    assert_eq!(standing.token_permission(), Some((outer, PermissionLevel::CanUse)));
    assert_eq!(standing.path_to(outer), ["nested@example.com", "inner", "outer"]);
    assert!(!standing.is_workspace_admin());
}

async fn an_uncommitted_change_did_not_happen(world: World) {
    let workspace = world.workspace().await.id;
    let token = sample(workspace, world.admin_id().await, "dd");
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    writer.insert_token(&token).await.unwrap();
    drop(writer);
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.find_token(workspace, &token.id).await.unwrap(), None);
}

async fn what_cannot_be_stored_is_refused_alike(world: World) {
    let workspace = world.workspace().await.id;
    let owner = world.admin_id().await;
    let token = sample(workspace, owner, "ee");
    insert(&world, &token).await;
    let mut writer = world.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    assert!(matches!(writer.insert_token(&token).await, Err(StoreError::Duplicate)));
    drop(writer);
    let nul = TokenId::from_text("e\0e");
    let mut reader = world.service.store().read().await.unwrap();
    assert!(matches!(reader.find_token(workspace, &nul).await, Err(StoreError::NulCharacter)));
}

async fn a_restart_changes_nothing(mut world: World) {
    let (value, id) = world.admin().create(&serde_json::json!({"comment": "kept"})).await;
    let before = (world.workspace().await, world.admin().own_ids().await);
    world.restart().await;
    assert_eq!((world.workspace().await, world.admin().own_ids().await), before);
    assert!(world.client(&value).own_ids().await.contains(&id));
}

/// Readers may get cached answers. These must equal what a transaction finds, which always queries: during commits, and
/// after commits that were abandoned midway.
async fn what_is_remembered_is_what_the_database_holds(world: World) {
    let (workspace, owner) = (world.workspace().await.id, world.add_user("many@example.com").await);
    let behaviour = Behaviour::default();
    let visibility = Visibility::new(&behaviour, START);
    let store = world.service.store().clone();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    store.read().await.unwrap().list_tokens_of(workspace, owner, visibility).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut given_up = 0;
    for round in 0..400 {
        let token = sample(workspace, owner, &format!("{}", round / 2));
        let change = async {
            let mut writer = store.write(Lock::Owner(workspace, owner)).await.unwrap();
            if round % 2 == 0 {
                writer.insert_token(&token).await.unwrap();
            } else {
                writer.end_tokens(workspace, &[(&token.id, EndCause::RevokedByOwner, START)], "who").await.unwrap();
            }
            writer.commit().await.unwrap();
        };
        let patience = async {
            for _ in 0..round % 37 * 4 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = change => {}
            () = patience, if round % 3 != 0 => given_up += 1,
        }
        let mut asking = store.write(Lock::Owner(workspace, owner)).await.unwrap();
        let held = (
            asking.list_tokens_of(workspace, owner, visibility).await.unwrap(),
            asking.find_presented_tokens(&token.id).await.unwrap(),
        );
        drop(asking);
        for _ in 0..2 {
            let mut reader = store.read().await.unwrap();
            let told = (
                reader.list_tokens_of(workspace, owner, visibility).await.unwrap(),
                reader.find_presented_tokens(&token.id).await.unwrap(),
            );
            assert_eq!(told, held, "round {round}");
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(given_up > 50, "{given_up}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_remembered_is_so_on_a_sqlite_file() {
    what_is_remembered_is_what_the_database_holds(World::new(Backend::File).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_remembered_is_so_in_memory() {
    what_is_remembered_is_what_the_database_holds(World::new(Backend::Memory).await).await;
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| -> BTreeSet<_> {
        let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn both_databases_have_the_same_tables() {
    const SQLITE: &str =
        "SELECT m.name, c.name, c.\"notnull\" = 1 FROM sqlite_schema m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%'";
    const POSTGRES: &str =
        "SELECT table_name::text, column_name::text, is_nullable = 'NO' FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_sqlx%'";
    const SQLITE_KEYS: &str =
        "SELECT DISTINCT m.name, c.name FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
         WHERE m.type = 'table' AND i.\"unique\" = 1 AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%'
         UNION SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.pk > 0 AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%'";
    const POSTGRES_KEYS: &str = "SELECT DISTINCT t.relname::text, a.attname::text FROM pg_index i
         JOIN pg_class t ON t.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
         WHERE i.indisunique AND t.relnamespace = current_schema()::regnamespace AND t.relname NOT LIKE '\\_sqlx%'";
    let memory = World::new(Backend::Memory).await;
    let postgres = World::new(Backend::Postgres).await;
    let (Store::Sqlite { write, .. }, Store::Postgres(pool)) = (memory.service.store(), postgres.service.store())
    else {
        panic!("the histories have the expected variety");
    };
    let left: BTreeSet<(String, String, bool)> =
        sqlx::query_as(SQLITE).fetch_all(write).await.unwrap().into_iter().collect();
    let right: BTreeSet<(String, String, bool)> =
        sqlx::query_as(POSTGRES).fetch_all(pool.unlimited()).await.unwrap().into_iter().collect();
    assert!(left.len() > 50);
    assert_eq!(left, right);
    let left: BTreeSet<(String, String)> =
        sqlx::query_as(SQLITE_KEYS).fetch_all(write).await.unwrap().into_iter().collect();
    let right: BTreeSet<(String, String)> =
        sqlx::query_as(POSTGRES_KEYS).fetch_all(pool.unlimited()).await.unwrap().into_iter().collect();
    assert_eq!(left, right);
}

fn exchange(of: Option<(WorkspaceId, i64)>, place: i64, bytes: i64) -> NewEntry {
    let nobody = (WorkspaceId(0), 0);
    NewEntry {
        workspace: of,
        request_id: format!("request {place}"),
        place,
        is_refused: place % 10 == 3,
        bytes,
        content: format!("{} {place}", of.unwrap_or(nobody).0),
    }
}

async fn add_exchanges(world: &World, process: i64, exchanges: &[NewEntry]) {
    let mut writer = world.service.store().write(Lock::Journal).await.unwrap();
    writer.insert_journal_entries(process, exchanges).await.unwrap();
    writer.commit().await.unwrap();
}

async fn shown(world: &World, workspace: &Workspace, after: i64) -> Vec<(i64, String)> {
    world.service.store().read().await.unwrap().list_journal_entries(workspace, after).await.unwrap()
}

async fn entries_are_kept_in_order_once_each_and_within_limits(world: World) {
    let workspace = world.workspace().await;
    let of = Some((workspace.id, workspace.incarnation));
    let some: Vec<NewEntry> = (0..120).map(|place| exchange(of, place, 10)).collect();
    let places = |found: &[(i64, String)]| -> Vec<i64> {
        found.iter().map(|(_, content)| content.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    };
    for _ in 0..2 {
        add_exchanges(&world, 7, &some).await;
    }
    let found = shown(&world, &workspace, 0).await;
    assert_eq!(places(&found), (0..120).collect::<Vec<_>>());
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{found:?}");
    assert_eq!(shown(&world, &workspace, found[100].0).await, found[101..]);
    add_exchanges(&world, 8, &some[..1]).await;
    let again = shown(&world, &workspace, found[119].0).await;
    assert_eq!(places(&again), [0], "another process's");

    let mut writer = world.service.store().write(Lock::Journal).await.unwrap();
    assert_eq!(writer.trim_journal(Some(workspace.id), 121, 1210).await.unwrap(), 0);
    assert_eq!(writer.trim_journal(Some(workspace.id), 100, 1210).await.unwrap(), 21);
    assert_eq!(writer.trim_journal(Some(workspace.id), 121, 509).await.unwrap(), 50);
    assert_eq!(writer.trim_journal(None, 0, 0).await.unwrap(), 0, "nobody's are others");
    let kept = writer.list_journal_entries(&workspace, 0).await.unwrap();
    assert_eq!(kept, [&found[71..], &again].concat());
    assert_eq!(writer.tidy_journal(495).await.unwrap(), 1);
    writer
        .delete_journal_entries(&workspace, &kept[1..48].iter().map(|(number, _)| *number).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(writer.list_journal_entries(&workspace, 0).await.unwrap(), kept[48..]);
    writer.clear_journal(&workspace).await.unwrap();
    writer.commit().await.unwrap();
    add_exchanges(&world, 7, &some[..1]).await;
    assert!(shown(&world, &workspace, again[0].0).await.len() == 1, "numbering continues");
}

async fn a_workspace_shows_its_own_entries_and_the_default_one_those_of_none(world: World) {
    let home = world.workspace().await;
    let other = world.add_workspace(77, "dapi00000000000000000000000000000077").await;
    let of = |workspace: &Workspace| Some((workspace.id, workspace.incarnation));
    let gone = Some((WorkspaceId(78), 0));
    let old = of(&other).map(|(id, incarnation)| (id, incarnation + 1));
    let owners = [of(&home), None, of(&other), gone, old, None, of(&home)];
    let all: Vec<NewEntry> = owners.into_iter().zip(1..).map(|(of, place)| exchange(of, place, 10)).collect();
    add_exchanges(&world, 1, &all).await;
    let contents = async |workspace: &Workspace| -> Vec<String> {
        shown(&world, workspace, 0).await.into_iter().map(|(_, content)| content).collect()
    };
    let expected =
        |places: &[usize]| -> Vec<String> { places.iter().map(|place| all[place - 1].content.clone()).collect() };
    assert_eq!(contents(&home).await, expected(&[1, 2, 6, 7]));
    assert_eq!(contents(&other).await, expected(&[3]));

    let mut reader = world.service.store().read().await.unwrap();
    for (place, of, is_found) in [
        (3, None, true),
        (3, Some(&other), true),
        (3, Some(&home), false),
        (2, None, true),
        (2, Some(&home), true),
        (2, Some(&other), false),
        (4, None, false),
        (5, None, false),
        (5, Some(&other), false),
    ] {
        let found = reader.find_journal_entry(&format!("request {place}"), of).await.unwrap();
        assert_eq!(found.map(|(_, content)| content), is_found.then(|| all[place - 1].content.clone()), "{place}");
    }
    assert_eq!(reader.find_last_journal_entry().await.unwrap().unwrap().1, all[2].content, "the only refusal");
    drop(reader);

    let mut writer = world.service.store().write(Lock::Journal).await.unwrap();
    assert_eq!(writer.tidy_journal(1000).await.unwrap(), 2, "of the deleted workspace and of the old one");
    writer.clear_journal(&other).await.unwrap();
    assert_eq!(writer.find_last_journal_entry().await.unwrap().unwrap().1, all[6].content, "none was refused");
    writer.clear_journal(&home).await.unwrap();
    assert_eq!(writer.find_last_journal_entry().await.unwrap(), None);
    writer.commit().await.unwrap();
}
