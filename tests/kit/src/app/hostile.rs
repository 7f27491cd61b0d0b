//! Mode `log-hostile`: lines of a log that do harm where they are shown as they are. Fewer than a report quotes.

/// 1 MB on one line, then one trick a line.
pub(super) fn lines() -> Vec<Vec<u8>> {
    let long = [b"long ".to_vec(), vec![b'x'; 1_000_000], b" ::error title=pwned::x".to_vec()].concat();
    let tricks: [&[u8]; 15] = [
        b"\x1b[2J\x1b]0;pwned\x07\x1b[31mcolours",
        b"::error title=pwned::x",
        b"::add-mask::e",
        b"  ::set-output name=outcome::deployed",
        b"##[add-mask]e ##[error]pwned",
        b"over\r::error title=pwned::x\rwritten",
        b"</code></details></table><img src=x onerror=pwned><script>pwned</script><!--",
        b"`@everyone` @acme/admins #1 acme/hello#1 GH-1 https://pwned.example www.pwned.example a@pwned.example",
        b"``` ~~~ | a | b | ~~gone~~ $x$ :tada:",
        b"[pwned](https://pwned.example) ![pwned](https://pwned.example/x.png) [^1] - [ ] # head",
        "left \u{202e}right\u{2066} zero\u{200b}width \u{2028}line \u{feff}".as_bytes(),
        b"\xff\xfe\xc3\x28 no text",
        b"outcome<<EOF",
        b"deployed",
        b"result: deployed, release 9",
    ];
    std::iter::once(long).chain(tricks.iter().map(|line| line.to_vec())).collect()
}
