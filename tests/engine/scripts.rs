//! The scripts of `tests/sql`, each on a fresh database.

use std::path::Path;

use laminar_tests::slt;

#[test]
fn every_script_runs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let scripts = slt::scripts(&folder).unwrap();
    assert!(scripts.len() > 5, "only {} scripts were found", scripts.len());
    let failures: Vec<String> =
        scripts.iter().filter_map(|script| slt::run_file(script).err()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn a_script_that_is_wrong_fails() {
    let fails = |script: &str, word: &str| {
        let error = slt::run_script(script).expect_err(script);
        assert!(error.contains(word), "{error}");
    };
    fails("query I\nSELECT 1\n----\n2\n", "query result mismatch");
    fails("query II\nSELECT 1, 2\n----\n1 3\n", "query result mismatch");
    fails("query I\nSELECT 1\n----\n", "query result mismatch");
    fails("statement ok\nSELEC 1\n", "LDB-4101");
    fails("statement error no such words\nSELEC 1\n", "LDB-4101");
    fails("statement error\nSELECT 1\n", "expected to fail");
    fails("statement ok\nPOLL nothing\n", "no subscription is called `nothing`");
    fails("statement ok\nRESTART\n", "RESTART needs a database at a path");
    fails("statement ok\nPUSH INTO a BY b IN PIECES OF 2 VALUES (1)\n", "expected BATCHES");
    fails("statement ok\nSELECT 1\n\nstatement ok\nOPEN UNSTARTED\n", "before every other");
}

#[test]
fn values_have_the_forms_of_several_databases() {
    let answers = |sql: &str, lines: &str| {
        slt::run_script(&format!("query ? nosort\n{sql}\n----\n{lines}\n")).is_ok()
    };
    let rows = "VALUES (1, 'a'), (2, 'b')";
    assert!(answers(rows, "1 a\n2   b"));
    assert!(answers(rows, "1\na\n2\nb"));
    assert!(!answers(rows, "1 a"));
    assert!(!answers(rows, "1 a\n2 c"));
    assert!(answers("SELECT 1.0, true, 0.5", "1.000 true 0.50"));
    assert!(answers("SELECT 1.0, true, 0.5", "1 t 0.5"));
    assert!(answers("SELECT 1e0 / 3", "0.333"), "as SQLite prints");
    assert!(!answers("SELECT 1e0 / 3", "0.33"));
    assert!(!answers("SELECT 1e0 / 3", "0.334"));
    assert!(!answers("SELECT true", "f"));
    assert!(!answers("SELECT true", "1"));
    assert!(!answers("SELECT NULL", "0"));
    assert!(answers("SELECT NULL, '', 'a b'", "NULL (empty) a b"));
    assert!(answers("SELECT 9007199254740993", "9007199254740993"));
    assert!(!answers("SELECT 9007199254740993", "9007199254740992"), "neighbours as one float");
    assert!(answers("SELECT TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02 03:04:05"));
    assert!(answers("SELECT ';', 1 -- ; a comment\n;", "; 1"));
}
