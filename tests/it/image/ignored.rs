//! `.dockerignore`: what is sent is what the docker command sends.

use std::fs;

use deploy_action::plan::image::BuildMode;

use super::shop::Shop;

#[test]
fn the_docker_command_leaves_out_the_same_files() {
    let files = [
        "a.md",
        "README.md",
        "docs/a.md",
        "docs/deep/b.md",
        "docs/keep/c.txt",
        "src/lib.rs",
        "target/x",
        "web/target/y",
    ]
    .into_iter()
    .chain([".git/config", "my_modules/z", "web/modules/z", "a.c", "abc", "[x]"]);
    let patterns = [
        "",
        "*.md\n!README.md",
        "**/*.md",
        "**/target",
        "target/",
        "/docs/../src",
        "*\n!docs/keep",
        "docs\n!docs/**/b.md",
        "**modules",
        "docs/**/*.md",
        "a?c\n!abc",
        "a.c",
        "[a-b]*",
        "[^a-b]*\n!src",
        "\\[x\\]",
        "**\n!**/lib.rs",
        "# no\n  .git  \n",
        "docs/*\n!docs/deep\ndocs/deep/b*",
    ];
    let mut shop = Shop::open("FROM scratch\nCOPY . /\n");
    shop.mode = BuildMode::Always;
    let context = shop.spec.context.clone();
    for file in files {
        let path = context.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, "").expect("a file");
    }
    for ignore in patterns {
        fs::write(context.join(".dockerignore"), ignore).expect("a file");
        let ours = shop.make().result.map_err(|failure| failure.render()).expect("an image");
        let mut command = shop.machine.command("docker");
        command.env("DOCKER_BUILDKIT", "0").args(["build", "--quiet", "--no-cache"]).arg(&context);
        let theirs = String::from_utf8_lossy(&command.output().expect("docker").stdout).trim().to_owned();
        let ours = shop.content(&ours.to_string());
        assert_eq!(ours, shop.content(&theirs), "{ignore:?}");
        shop.machine.docker(&["rmi", "--force", &theirs]).expect("removed");
    }
}
