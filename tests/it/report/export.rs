//! The CSV export, read by a spreadsheet's reader.

use std::collections::BTreeSet;

use dapi_mock::domain::{Millis, Workspace, WorkspaceId};
use dapi_mock::store::Lock;
use serde_json::Value;

use crate::support::{World, on_every_store, records};

on_every_store!(the_export_comes_back_from_a_reader_of_csv,);

/// Texts that would break a careless export, or that a spreadsheet would run.
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
