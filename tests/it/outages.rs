//! PostgreSQL gone, silent, slow and full: every request has its answer in a known time, nothing is half done, and
//! the server recovers by itself. Between the server and PostgreSQL stands a line that can be broken.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Child;
use std::time::{Duration, Instant};

use axum::http::Method;
use dapi_mock::domain::tokens::TokenValue;
use dapi_mock::service::ADMIN_CLIENT_ID;
use dapi_mock::store::{Database, Limits, Lock, StoreError, Versioned};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::harness::{ADMIN_SECRET, ADMIN_TOKEN, Answer, World, fresh_postgres_database, run_on_postgres};
use crate::process::{command, exchange, get};

const LIST: &str = "/api/2.0/token/list";
const CREATE: &str = "/api/2.0/token/create";
/// Short, so that the tests are.
const LIMITS: Limits =
    Limits { connections: 4, waiting: 8, acquire: Duration::from_millis(400), statement: Duration::from_millis(600) };
/// No answer takes so long; a test that waited for one would not end.
const NEVER: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Up,
    /// Every piece of data is late.
    Slow(Duration),
    /// Nothing passes, and nobody is told.
    Silent,
    /// Whoever is connected, or connects, is disconnected.
    Cut,
}

/// The user, the address and the rest of a database's URL.
fn parts(database: &Database) -> (String, String, String) {
    let Database::Postgres(url) = database else { panic!("not on PostgreSQL") };
    let (user, rest) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (address, rest) = rest.split_once('/').unwrap();
    (user.to_owned(), address.to_owned(), rest.to_owned())
}

/// What stands between the server and PostgreSQL.
struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
    acceptor: JoinHandle<()>,
    /// As it is reached without this line.
    database: Database,
}

impl Line {
    /// A line to a new database.
    async fn new(name: &str) -> Self {
        let database = fresh_postgres_database(name).await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), watch::Sender::new(State::Up));
        let acceptor = tokio::spawn(accept(listener, database.clone(), state.subscribe()));
        Self { address, state, acceptor, database }
    }

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The database, reached by this line.
    fn database(&self) -> Database {
        let (user, _, rest) = parts(&self.database);
        format!("postgres://{user}@{}/{rest}", self.address).parse().unwrap()
    }

    /// Nobody listens any more.
    async fn refuse(&mut self) {
        self.set(State::Cut);
        self.acceptor.abort();
        let _ = (&mut self.acceptor).await;
    }

    /// All is well again.
    async fn restore(&mut self) {
        self.set(State::Up);
        if self.acceptor.is_finished() {
            let listener = TcpListener::bind(self.address).await.unwrap();
            self.acceptor = tokio::spawn(accept(listener, self.database.clone(), self.state.subscribe()));
        }
    }
}

async fn accept(listener: TcpListener, database: Database, state: watch::Receiver<State>) {
    let (_, server, _) = parts(&database);
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (server, state) = (server.clone(), state.clone());
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            client.set_nodelay(true).and(server.set_nodelay(true)).unwrap();
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                () = pump(&mut from_client, &mut to_server, state.clone()) => {}
                () = pump(&mut from_server, &mut to_client, state) => {}
            }
        });
    }
}

async fn pump(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut state: watch::Receiver<State>,
) {
    let mut cut = state.clone();
    let passes = async {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let now = *state.wait_for(|state| *state != State::Silent).await.unwrap();
            if let State::Slow(delay) = now {
                sleep(delay).await;
            }
            if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = passes => {}
        _ = cut.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(NEVER, work).await.expect("an answer in a known time")
}

pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    in_time(async {
        while !holds().await {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

async fn is_ready(world: &World) -> bool {
    in_time(world.anonymous().get("/readyz")).await.status == 200
}

/// 503, and when to come again.
#[track_caller]
fn unavailable(answer: &Answer, says: &[(&str, Value)]) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    for (member, value) in says {
        assert_eq!(&answer.json()[member], value, "{answer:?}");
    }
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn an_outage_is_told_in_the_words_of_each_api_and_ends_by_itself() {
    let mut line = Line::new("told").await;
    let world = World::on(line.database(), LIMITS).await;
    let client = ADMIN_CLIENT_ID.to_string();
    for outage in [None, Some(State::Cut), Some(State::Silent)] {
        // So that there are connections which break.
        join_all((0..4).map(async |_| world.admin().get(LIST).await)).await;
        match outage {
            None => line.refuse().await,
            Some(state) => line.set(state),
        }
        let (admin, nobody, nothing) = (world.admin(), world.anonymous(), json!({}));
        let form = "grant_type=client_credentials&scope=all-apis";
        let (list, created, ready, scim, oauth, own) = in_time(async {
            tokio::join!(
                admin.get(LIST),
                create(&world),
                nobody.get("/readyz"),
                admin.get("/api/2.0/preview/scim/v2/Users"),
                world.ask_for_token("/oidc/v1/token", Some((&client, ADMIN_SECRET)), form),
                nobody.own(Method::GET, "workspaces", &nothing),
            )
        })
        .await;
        for answer in [list, created, ready] {
            unavailable(&answer, &[("error_code", json!("TEMPORARILY_UNAVAILABLE"))]);
        }
        let schema = json!(["urn:ietf:params:scim:api:messages:2.0:Error"]);
        unavailable(&scim, &[("schemas", schema), ("status", json!("503"))]);
        unavailable(&oauth, &[("error", json!("temporarily_unavailable"))]);
        unavailable(&own, &[("error_code", Value::Null)]);
        assert!(own.json()["error"].is_string(), "{own:?}");
        assert_eq!(world.anonymous().get("/livez").await.status, 200);

        line.restore().await;
        eventually(async || is_ready(&world).await).await;
        eventually(async || world.admin().get(LIST).await.status == 200).await;
        let (token, _) = world.admin().create(&json!({})).await;
        assert_eq!(world.client(&token).get(LIST).await.status, 200);
    }
}

/// What a process has not written to the shared journal is in its memory until it can.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn the_journal_outlives_an_outage_and_is_shared_after_it() {
    let mut line = Line::new("journal").await;
    let world = World::on(line.database(), LIMITS).await;
    let other = World::on(line.database.clone(), Limits::default()).await;
    let mut refused = Vec::new();
    let explained = async |world: &World, id: &str| {
        in_time(world.anonymous().own(Method::GET, &format!("explain/{id}"), &json!({}))).await
    };
    for outage in [State::Cut, State::Silent] {
        // A refusal before it, which is not written yet, and some in it, which need no database.
        refused.push(world.client("nonsense").get(LIST).await.header("x-request-id").to_owned());
        line.set(outage);
        for _ in 0..10 {
            let answer = timeout(Duration::from_millis(300), world.anonymous().get(LIST)).await.expect("nobody waits");
            assert_eq!(answer.status, 401, "{answer:?}");
            refused.push(answer.header("x-request-id").to_owned());
        }
        sleep(Duration::from_millis(300)).await;
        for id in &refused[refused.len() - 11..] {
            assert_eq!(explained(&world, id).await.json()["allowed"], false, "{id}");
        }
        let last = explained(&world, "last").await.json();
        assert_eq!(&last["request_id"], refused.last().unwrap());
        line.restore().await;
        eventually(async || is_ready(&world).await).await;
        // By itself, and each once, also where a commit had no answer.
        eventually(async || explained(&other, refused.last().unwrap()).await.status == 200).await;
        let path = "workspaces/default/requests";
        let listed = other.anonymous().own(Method::GET, path, &json!({})).await.json();
        let ids: Vec<&str> =
            listed["requests"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap()).collect();
        assert_eq!(ids, refused);
    }
}

async fn create(world: &World) -> Answer {
    world.admin().post(CREATE, &json!({})).await
}

/// What a client was told of its tokens.
#[derive(Default)]
struct Told {
    created: Vec<(String, String)>,
    revoked: BTreeSet<String>,
    /// Ids whose revocation had no good answer.
    unclear: BTreeSet<String>,
    /// Creations that had none.
    unanswered: usize,
}

/// Creates and revokes until it is told to stop, not too fast.
async fn create_and_revoke(world: &World, stop: &watch::Receiver<bool>) -> Told {
    let mut told = Told::default();
    while !*stop.borrow() {
        let answer = in_time(create(world)).await;
        if answer.status != 200 {
            unavailable(&answer, &[]);
            told.unanswered += 1;
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let json = answer.json();
        let id = json["token_info"]["token_id"].as_str().unwrap().to_owned();
        told.created.push((json["token_value"].as_str().unwrap().to_owned(), id.clone()));
        // Far from the quota of all of them.
        let live = told.created.len() - told.revoked.len();
        if live > 80 || told.created.len() % 3 == 0 {
            let answer = in_time(world.admin().post("/api/2.0/token/delete", &json!({ "token_id": id }))).await;
            if answer.status == 200 {
                told.revoked.insert(id);
            } else {
                unavailable(&answer, &[]);
                told.unclear.insert(id);
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    told
}

/// The ids of tokens that the audit log has under an action, in order.
async fn told_of(world: &World, action: &str) -> Vec<String> {
    let path = format!("workspaces/default/audit?action={action}");
    let log = world.anonymous().own(Method::GET, &path, &json!({})).await.text;
    let id = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["requestParams"]["tokenId"].as_str().map(String::from)
    };
    let mut ids: Vec<String> = log.lines().filter_map(id).collect();
    ids.sort();
    ids
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_the_acknowledged_is_kept_and_nothing_is_half_done() {
    let mut line = Line::new("kept").await;
    let world = World::on(line.database(), LIMITS).await;
    let (stopping, stop) = watch::channel(false);
    let outages = async {
        for _ in 0..3 {
            for state in [State::Cut, State::Silent, State::Slow(Duration::from_millis(30))] {
                sleep(Duration::from_millis(250)).await;
                line.set(state);
                sleep(Duration::from_millis(250)).await;
                line.restore().await;
            }
            sleep(Duration::from_millis(250)).await;
            line.refuse().await;
            sleep(Duration::from_millis(100)).await;
            line.restore().await;
        }
        sleep(Duration::from_millis(500)).await;
        stopping.send_replace(true);
    };
    let clients = join_all((0..4).map(|_| create_and_revoke(&world, &stop)));
    let (told, ()) = tokio::join!(clients, outages);
    eventually(async || is_ready(&world).await).await;

    let mut ids = BTreeSet::new();
    let (mut unanswered, mut unclear) = (0, 0);
    for told in told {
        for (value, id) in told.created {
            let status = world.client(&value).get(LIST).await.status.as_u16();
            match (told.revoked.contains(&id), told.unclear.contains(&id)) {
                (true, _) => assert_eq!(status, 403, "revoked, and told so"),
                (_, true) => assert!([200, 403].contains(&status), "{status}"),
                _ => assert_eq!(status, 200, "created, and told so"),
            }
            assert!(ids.insert(id));
        }
        unanswered += told.unanswered;
        unclear += told.unclear.len();
    }
    assert!(unanswered > 0 && ids.len() > 20, "{} created, {unanswered} not answered", ids.len());
    // The log has every token that is there, or was, once; and so has it every revocation.
    let all = world.anonymous().own(Method::GET, "workspaces/default/tokens", &json!({})).await.json();
    let rows = all["tokens"].as_array().unwrap();
    let of = |ended: bool| -> Vec<String> {
        let rows = rows.iter().filter(|row| !ended || row["state"] != "live");
        let mut found: Vec<String> = rows.map(|row| row["token_id"].as_str().unwrap().to_owned()).collect();
        found.sort();
        found
    };
    let admin = TokenValue::parse(ADMIN_TOKEN).unwrap().id().to_string();
    let created: Vec<String> = of(false).into_iter().filter(|id| *id != admin).collect();
    assert_eq!(told_of(&world, "generateDbToken").await, created);
    assert_eq!(told_of(&world, "revokeDbToken").await, of(true));
    assert!(created.len() >= ids.len() && created.len() <= ids.len() + unanswered);
    println!("{} created, {unanswered} not answered, {unclear} revocations unclear", ids.len());
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_sheds_load_and_requests_that_are_given_up_leave_nothing() {
    let line = Line::new("shed").await;
    let limits = Limits { acquire: NEVER, statement: Duration::from_secs(2), ..LIMITS };
    let world = World::on(line.database(), limits).await;
    let before = world.admin().own_ids().await.len();
    let replica = world.replica().await;
    let workspace = world.workspace().await.id;
    // Whoever creates a token waits for this lock, with a connection each.
    let held = replica.service.store().write(Lock::Workspace(workspace)).await.unwrap();
    let started = Instant::now();
    let ask = async |_| (create(&world).await, started.elapsed());
    let answers = in_time(join_all((0..40).map(ask))).await;
    for (answer, _) in &answers {
        unavailable(answer, &[("error_code", json!("TEMPORARILY_UNAVAILABLE"))]);
    }
    // Those whom neither a connection nor a place to wait for one was left for know it at once.
    let at_once = answers.iter().filter(|(_, took)| *took < limits.statement).count();
    assert!((40 - 4 - 8..40).contains(&at_once), "{at_once}");
    // Clients that do not wait for the answer, in the middle of a statement or before it.
    for _ in 0..5 {
        let impatient = (0..8).map(|_| timeout(Duration::from_millis(50), create(&world)));
        join_all(impatient).await;
    }
    drop(held);
    eventually(async || create(&world).await.status == 200).await;
    let all = in_time(join_all((0..8).map(|_| create(&world)))).await;
    assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
    assert_eq!(world.admin().own_ids().await.len(), before + 9);
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn a_role_at_its_connection_limit_is_an_outage_that_ends() {
    let database = fresh_postgres_database("limit").await;
    let (_, address, rest) = parts(&database);
    let (Database::Postgres(url), role) = (&database, format!("few_{}", std::process::id())) else {
        panic!("not on PostgreSQL")
    };
    let run = async |sql: String| run_on_postgres(url, &sql).await;
    run(format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 2; GRANT ALL ON SCHEMA public TO {role}")).await;
    let world = World::on(format!("postgres://{role}@{address}/{rest}").parse().unwrap(), LIMITS).await;
    // Fewer than the pool would have: some are answered late or told to come again, none fails.
    let answers = in_time(join_all((0..16).map(|_| create(&world)))).await;
    let created = answers.iter().filter(|answer| answer.status == 200).count();
    answers.iter().filter(|answer| answer.status != 200).for_each(|answer| unavailable(answer, &[]));
    assert!(created > 0);
    // Others have taken all of them.
    run(format!("ALTER ROLE {role} CONNECTION LIMIT 0")).await;
    run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")).await;
    eventually(async || !is_ready(&world).await).await;
    unavailable(&in_time(world.admin().get(LIST)).await, &[("error_code", json!("TEMPORARILY_UNAVAILABLE"))]);
    run(format!("ALTER ROLE {role} CONNECTION LIMIT -1")).await;
    eventually(async || is_ready(&world).await).await;
    assert_eq!(world.admin().own_ids().await.len(), created + 1);
    world.service.store().close().await;
    run(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test]
async fn a_process_that_stands_still_does_not_keep_its_locks() {
    let line = Line::new("stuck").await;
    let world = World::on(line.database(), LIMITS).await;
    let workspace = world.workspace().await;
    let mut stuck = world.service.store().write(Lock::Workspace(workspace.id)).await.unwrap();
    stuck.put_setting(workspace.id, "x", &Versioned { value: "1".into(), etag: "1".into() }).await.unwrap();
    eventually(async || create(&world).await.status == 200).await;
    assert!(matches!(stuck.commit().await, Err(StoreError::Unavailable(_))));
    let mut reader = world.service.store().read().await.unwrap();
    assert_eq!(reader.find_setting(workspace.id, "x").await.unwrap(), None);
}

/// A process of which nothing was read yet.
struct Starting {
    child: Child,
    address: String,
    folder: TempDir,
}

fn launch(database: &Database) -> Starting {
    let Database::Postgres(url) = database else { panic!("not on PostgreSQL") };
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    let args = ["--port", &free, "--database", url, "--admin-token", ADMIN_TOKEN, "--sweep-interval", "1"];
    let child = command(&folder).args(args).args(["--audit-file", "audit.jsonl"]).spawn().unwrap();
    Starting { child, address: format!("127.0.0.1:{free}"), folder }
}

impl Starting {
    fn ask(&self, path: &str) -> String {
        if std::net::TcpStream::connect(&self.address).is_err() {
            return String::new();
        }
        get(&self.address, path, ADMIN_TOKEN)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let address = &self.address;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/json\r\n"
        );
        let answer = exchange(address, &head, &body.to_string());
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const GONE: &str = "HTTP/1.1 503 Service Unavailable\r\n";

#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_its_database_and_what_runs_beside_requests_outlives_an_outage() {
    let mut line = Line::new("start").await;
    let database = line.database();
    line.refuse().await;
    let mut server = launch(&database);
    eventually(async || server.ask("/livez").starts_with(OK)).await;
    for (path, says) in [
        ("/readyz", "\"error_code\":\"TEMPORARILY_UNAVAILABLE\""),
        (LIST, "\"error_code\":\"TEMPORARILY_UNAVAILABLE\""),
        ("/api/2.0/preview/scim/v2/Users", "\"status\":\"503\""),
        ("/oidc/v1/token", "\"error\":\"temporarily_unavailable\""),
        ("/_mock/v1/workspaces", "\"error\":\"dapi-mock is starting.\""),
    ] {
        let answer = server.ask(path);
        assert!(answer.starts_with(GONE) && answer.contains("retry-after: 1\r\n") && answer.contains(says), "{answer}");
    }
    line.restore().await;
    eventually(async || server.ask("/readyz").starts_with(OK)).await;

    let made = server.post("/_mock/v1/workspaces", &json!({"ttl": "1s"}));
    line.set(State::Cut);
    eventually(async || server.ask("/readyz").starts_with(GONE)).await;
    assert!(server.ask("/livez").starts_with(OK));
    // The sweep and the audit log's file have failed at least once.
    sleep(Duration::from_millis(1200)).await;
    line.restore().await;
    eventually(async || server.ask("/readyz").starts_with(OK)).await;
    let created = server.post(CREATE, &json!({"comment": "after"}));
    let id = created["token_info"]["token_id"].as_str().unwrap();
    let file = server.folder.path().join("audit.jsonl");
    eventually(async || std::fs::read_to_string(&file).unwrap().contains(id)).await;
    let gone = format!("/_mock/v1/workspaces/{}", made["id"].as_str().unwrap());
    eventually(async || server.ask(&gone).starts_with("HTTP/1.1 404")).await;

    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let log = lines(server.ask("/_mock/v1/workspaces/default/audit").split("\r\n\r\n").nth(1).unwrap());
    let written = lines(&std::fs::read_to_string(&file).unwrap());
    let of_default: Vec<_> = written.into_iter().filter(|line| log.contains(line)).collect();
    assert_eq!(of_default, log, "each once, in order");

    server.child.kill().unwrap();
    let output = server.child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not ready, will be tried again"), "{said}");
    assert!(said.contains("the sweep did not finish, and will be tried again"), "{said}");
    assert!(said.contains("the audit log's file is behind, and will be tried again"), "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("dapi-mock ready"));
}
