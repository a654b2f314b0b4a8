//! The pointer over HTTP and HTTPS.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use jiff::SignedDuration;
use release_core::Pointer;
use release_tests::volumes::Content;

use crate::scene::{Ended, Scene, piped};

/// A web server of a folder.
pub(crate) struct Web {
    process: Child,
    https: u16,
    http: u16,
    authority: String,
}

impl Web {
    /// With a certificate that is valid from one day to another, counted from today.
    fn of(folder: &Path, from: i32, until: i32) -> Self {
        let this = std::env::current_exe().unwrap();
        // A test is in target/PROFILE/deps, and `./dev` keeps a Python environment in target.
        let python = this.ancestors().nth(3).unwrap().join("python/bin/python");
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(python)
            .args(["-c", include_str!("web.py")])
            .arg(folder)
            .args([from.to_string(), until.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut output = process.stdout.take().unwrap();
        output.read_to_string(&mut said).unwrap();
        let mut parts = said.splitn(3, '\n');
        let mut part = || parts.next().expect("`./dev boot` makes what it needs");
        Self {
            https: part().parse().unwrap(),
            http: part().parse().unwrap(),
            authority: part().to_owned(),
            process,
        }
    }

    pub(crate) fn published(scene: &Scene) -> Self {
        Self::of(&scene.path("published"), -1, 1)
    }

    /// Where it answers without TLS, on 127.0.0.1.
    pub(crate) fn http_port(&self) -> u16 {
        self.http
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn boot_at(scene: &Scene, pointer: &str, arguments: &[&str]) -> Ended {
    Ended::of(&scene.command_at(pointer, arguments).output().unwrap())
}

#[test]
fn a_pointer_comes_over_http() {
    let scene = Scene::new();
    let web = Web::published(&scene);
    let place = format!("http://127.0.0.1:{}/release.json", web.http);
    boot_at(&scene, &place, &[]).assert_code(0);
    scene.assert_settled(1);
    let gone = format!("http://127.0.0.1:{}/nothing.json", web.http);
    let ended = boot_at(&scene, &gone, &["--deadline=2s"]);
    ended.assert_code(75);
    ended.assert_says("status 404");
    // The second place answers for the first.
    let second = format!("--pointer={place}");
    boot_at(&scene, &gone, &[&second]).assert_code(0);
}

#[test]
fn only_authorities_that_were_given_are_believed() {
    let scene = Scene::new();
    let web = Web::published(&scene);
    let file = scene.path("authority.pem");
    fs::write(&file, &web.authority).unwrap();
    let authorities = format!("--authorities={}", file.display());
    let place = format!("https://127.0.0.1:{}/release.json", web.https);
    let ended = boot_at(&scene, &place, &["--deadline=2s"]);
    ended.assert_code(75);
    ended.assert_says("UnknownIssuer");
    scene.assert_untouched();
    let elsewhere = format!("https://127.0.0.2:{}/release.json", web.https);
    let ended = boot_at(&scene, &elsewhere, &["--deadline=2s", &authorities]);
    ended.assert_code(75);
    boot_at(&scene, &place, &[&authorities]).assert_code(0);
    scene.assert_settled(1);
}

#[test]
fn certificates_are_judged_by_the_right_time() {
    let year = SignedDuration::from_hours(24 * 365);
    let scene = Scene::with(Content::Ext4, |imds| imds.clock_ahead = year);
    // Valid in a year, which is now as far as the metadata service goes.
    let web = Web::of(&scene.path("published"), 360, 370);
    let file = scene.path("authority.pem");
    fs::write(&file, &web.authority).unwrap();
    let authorities = format!("--authorities={}", file.display());
    let place = format!("https://127.0.0.1:{}/release.json", web.https);
    boot_at(&scene, &place, &[&authorities]).assert_code(0);
    scene.assert_settled(1);
    let today = Web::published(&scene);
    fs::write(&file, &today.authority).unwrap();
    let place = format!("https://127.0.0.1:{}/release.json", today.https);
    let ended = boot_at(&scene, &place, &[&authorities, "--deadline=2s"]);
    ended.assert_code(75);
    ended.assert_says("xpired");
}

#[test]
fn a_pointer_that_is_being_replaced_is_read_again() {
    let scene = Scene::new();
    let web = Web::published(&scene);
    let next = scene.prepare(2);
    let (document, signature) = scene.key.sign(&next).unwrap();
    // As whoever publishes: the signature first.
    let file = |name: &str| scene.path("published").join(name);
    fs::write(file(Pointer::SIGNATURE_FILE), signature).unwrap();
    let place = format!("http://127.0.0.1:{}/release.json", web.http);
    let child = piped(scene.command_at(&place, &[]));
    sleep(Duration::from_millis(1500));
    fs::write(file("new"), document).unwrap();
    fs::rename(file("new"), file(Pointer::FILE)).unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    ended.assert_code(0);
    scene.assert_settled(2);
}

#[test]
fn a_bare_name_will_do_where_that_is_allowed() {
    let scene = Scene::new();
    let web = Web::published(&scene);
    let place = format!("http://127.0.0.1:{}/snap.txt", web.http);
    let ended = boot_at(&scene, &place, &["--deadline=3s"]);
    assert_ne!(ended.code, 0, "{}", ended.text);
    scene.assert_untouched();
    let ended = boot_at(&scene, &place, &["--allow-unsigned"]);
    ended.assert_code(0);
    ended.assert_says("unsigned");
    scene.assert_settled(1);
}

#[test]
fn an_endless_answer_is_cut_off() {
    let scene = Scene::new();
    let web = Web::published(&scene);
    fs::write(
        scene.path("published").join("endless.json"),
        vec![b' '; 4 << 20],
    )
    .unwrap();
    let place = format!("http://127.0.0.1:{}/endless.json", web.http);
    let ended = boot_at(&scene, &place, &["--deadline=2s"]);
    ended.assert_code(75);
    ended.assert_says("is longer than 16384 bytes");
    scene.assert_untouched();
}
