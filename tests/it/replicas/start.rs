//! Processes that start at the same moment, and the compose file of several.

use dapi_mock::store::{Database, TABLES_NOT_RESTORED, restored_tables};
use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{LIST, fresh_postgres_database, get, start};

async fn rows_of_every_table(database: &Database) -> Vec<(String, i64)> {
    let Database::Postgres(url) = database else { panic!("not on PostgreSQL") };
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let mut counts = Vec::new();
    for table in restored_tables().chain(TABLES_NOT_RESTORED.iter().copied()) {
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        counts.push((table.to_owned(), sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()));
    }
    pool.close().await;
    counts
}

/// Migrations, the first start and a seed happen once, however many processes start on an empty database.
#[cfg_attr(not(postgres_tests), ignore = "TEST_POSTGRES_URL is not set")]
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_the_same_moment_make_what_one_would_make() {
    let mut rows = Vec::new();
    for processes in [1, 4] {
        let database = fresh_postgres_database(&format!("start_{processes}")).await;
        let Database::Postgres(url) = database.clone() else { panic!("not on PostgreSQL") };
        let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/seeds/leaky-workspace.yaml");
        let starts = (0..processes).map(|_| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || start(&["--port", "0", "--database", &url, "--seed", seed]))
        });
        let servers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
        let tokens: Vec<_> = servers.iter().map(|server| server.export("DATABRICKS_TOKEN")).collect();
        let told: Vec<_> = tokens.iter().filter(|token| !token.is_empty()).collect();
        assert_eq!(told.len(), 1, "one of {processes} prints the admin's token");
        rows.push(rows_of_every_table(&database).await);
        for server in servers {
            let address = format!("127.0.0.1:{}", server.port);
            assert!(get(&address, "/readyz", "").starts_with("HTTP/1.1 200 OK\r\n"));
            assert!(get(&address, LIST, told[0]).starts_with("HTTP/1.1 200 OK\r\n"));
            assert_eq!(server.stop("TERM").0, Some(0));
        }
    }
    assert_eq!(rows[0], rows[1]);
    assert!(rows[0].iter().any(|(table, rows)| table == "tokens" && *rows > 5), "{rows:?}");
}

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The proxy's settings name the services of the compose file, and the ports on both sides.
#[test]
fn the_compose_files_proxy_reaches_every_replica() {
    let compose: Value = serde_saphyr::from_str(&read("docker-compose.yml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    let replicas: Vec<String> = services
        .iter()
        .filter(|(_, service)| service["image"] == "dapi-mock" && service["depends_on"]["postgres"].is_object())
        .map(|(name, _)| format!("{name}:3274"))
        .collect();
    let proxy = read("docs/nginx.conf");
    let of = |word: &str| -> Vec<String> {
        let lines = proxy.lines().filter_map(|line| line.trim().strip_prefix(word)?.trim().strip_suffix(';'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(of("server "), replicas);
    assert_eq!(replicas.len(), 3);
    assert!(read("Dockerfile").contains("EXPOSE 3274\n"));
    let published = services["proxy"]["ports"][0].as_str().unwrap();
    assert_eq!(published.rsplit_once(':').unwrap().1, of("listen ")[0]);
    assert!(services["proxy"]["volumes"][0].as_str().unwrap().starts_with("./docs/nginx.conf:/etc/nginx/conf.d/"));
    for name in replicas.iter().map(|address| address.trim_end_matches(":3274")) {
        assert!(services["proxy"]["depends_on"][name].is_object(), "{name}");
        assert!(services[name]["profiles"].as_array().unwrap().contains(&"replicas".into()), "{name}");
        // One database, and one folder with the CA.
        assert_eq!(services[name]["environment"], services["dapi-mock-1"]["environment"]);
        assert_eq!(services[name]["volumes"], services["dapi-mock-1"]["volumes"]);
    }
}
