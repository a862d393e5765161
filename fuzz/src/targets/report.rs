//! Fuzzes queries of the token report and the cells of its CSV export.

use dapi_mock::domain::WorkspaceId;
use dapi_mock::domain::report::{Key, Order, PageCursor, Position, Query, Range, SortBy, cell};

pub(super) fn run(data: &[u8]) {
    let [from, to, sort, page_token, text] = super::texts(data);
    if let Ok(range) = Range::parse("created", Some(from), Some(to)) {
        assert!(!range.is_open());
    }
    assert_eq!(SortBy::parse(sort).is_ok(), ["created", "expires", "last_used", "owner", "workspace"].contains(&sort));
    for (by, key) in [(SortBy::Created, Key::Time(7)), (SortBy::Owner, Key::Owner(text.to_owned(), 1, 2))] {
        let query = Query { order: Order { by, ..Order::default() }, ..Query::default() };
        let place = Position { key, workspace: 1, token: "t".into() };
        for back in [false, true] {
            let turn = PageCursor { from: place.clone(), back };
            assert_eq!(query.cursor(&query.page_token(turn.clone())), Ok(turn));
        }
        if let Ok(turn) = query.cursor(page_token) {
            let from = &turn.from;
            assert!(!from.token.contains('\0') && !from.token_in(WorkspaceId(from.workspace)).contains('\0'));
            assert_eq!(query.cursor(&query.page_token(turn.clone())), Ok(turn));
        }
    }
    let shown = cell(text);
    assert!(!shown.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']));
    assert_eq!(shown.strip_prefix('\'').unwrap_or(&shown), text);
}
