//! docs/SEMANTICS.md names a test for each rule: each of them exists.

use std::path::Path;

#[test]
fn every_test_that_is_named_exists() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(tests.join("../docs/SEMANTICS.md")).unwrap();
    let mut named = 0;
    let mut missing = Vec::new();
    for words in document.split('`').skip(1).step_by(2) {
        let Some((file, test)) = words.split_once("::") else { continue };
        named += 1;
        let text = std::fs::read_to_string(tests.join("engine").join(file)).unwrap_or_default();
        if !text.contains(&format!("#[test]\nfn {test}()")) {
            missing.push(words.to_string());
        }
    }
    assert!(named > 100, "only {named} tests are named");
    assert_eq!(missing, Vec::<String>::new());
}
