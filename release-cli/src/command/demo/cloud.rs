//! The same in a cloud, which is a folder: what an operator types, typed by the demo.
//!
//! The programs run as they do anywhere, with a configuration file; the demo looks at what they leave.

mod place;

use release_core::InstanceId;
use release_sync::{Generation, ReleaseId, Report, Work};

use super::picture::Picture;
use super::{Demo, app, broken};
use crate::exit::{Exit, Overall, Verdict};
use crate::failure::Failure;
use crate::ui::{Claim, one_line};
use place::{Place, Ran};

/// Three instances, one that comes in between, one that boots, and the way back.
pub(super) fn tell(demo: &mut Demo<'_>, folder: &std::path::Path) -> Result<(), Failure> {
    let mut place = Place::set_up(demo.desk, folder)?;
    let Some(first) = deploy(demo, &mut place)? else {
        // Nothing that is still to come could be shown.
        return Ok(());
    };
    boot(demo, &mut place, &first)?;
    way_back(demo, &mut place, &first)
}

/// What was published first.
struct First {
    picture: Picture,
    snapshot: Option<String>,
}

/// `None` where it did not go well, and that is told.
fn deploy(demo: &mut Demo<'_>, place: &mut Place) -> Result<Option<First>, Failure> {
    let story = "Now the hosts are three instances of a group. The cloud is a folder as well: instances, volumes\n\
                 and snapshots are directories in it. `release-cli deploy` brings the instances to the release,\n\
                 makes a snapshot, and publishes a signed pointer to it, for instances to come. While the\n\
                 snapshot is being made, a fourth instance is launched.";
    let chapter = demo.open(6, "In a cloud", story);
    for _ in 0..3 {
        place.launch()?;
    }
    let picture = demo.picture(&place.source())?;
    let mut running = place.start(&["deploy"])?;
    place.await_snapshot(&mut running)?;
    place.launch()?;
    let ran = place.end(running)?;
    let well = ran.went_well("`release-cli deploy` ended well");
    if well.fault.is_some() {
        end(demo, &chapter, &[well])?;
        return Ok(None);
    }
    let claims = [
        well,
        ran.all_are(
            "all four instances were brought to the release and have proven it",
            4,
        ),
        equal(demo, place, &picture, "the source"),
        signed(place, 1),
    ];
    end(demo, &chapter, &claims)?;
    Ok(Some(First {
        picture,
        snapshot: place.pointer().map(|pointer| pointer.snapshot.to_string()),
    }))
}

fn boot(demo: &mut Demo<'_>, place: &mut Place, first: &First) -> Result<(), Failure> {
    let Some(program) = place.boot_program() else {
        demo.desk
            .screen
            .note("release-boot is not beside release-cli: what it does is left out");
        return Ok(());
    };
    let story = "A fifth instance is launched when nobody deploys. It has to see to itself: `release-boot` reads\n\
                 the pointer, checks its signature, makes a volume of the snapshot, attaches it, and shows it\n\
                 only if it holds what the pointer says.";
    let chapter = demo.open(7, "A late instance", story);
    let instance = place.launch()?;
    let ran = place.boot(&program, &instance)?;
    let claims = [
        ran.went_well("`release-boot` ended well"),
        equal(demo, place, &first.picture, "the first release"),
    ];
    end(demo, &chapter, &claims)
}

fn way_back(demo: &mut Demo<'_>, place: &mut Place, first: &First) -> Result<(), Failure> {
    let story = "A second release goes to all of them, and was a mistake. `release-cli rollback` publishes a\n\
                 pointer to the first snapshot again, under a higher number, and the instances go back by what\n\
                 they have kept.";
    let chapter = demo.open(8, "The way back, in a cloud", story);
    let source = place.source();
    app::edit(&source).map_err(broken(&source))?;
    let second = demo.picture(&source)?;
    let ran = place.run(&["deploy"])?;
    let (all, deployed) = (
        place.instances.len(),
        equal(demo, place, &second, "the second release"),
    );
    let back = place.run(&["rollback", "--yes"])?;
    let claims = [
        ran.all_are("all instances were brought to the second release", all),
        deployed,
        back.went_well("`release-cli rollback` ended well"),
        equal(demo, place, &first.picture, "the first release"),
        signed(place, 3),
        Claim::new(
            "new instances boot the first snapshot again",
            place.pointer().map(|pointer| pointer.snapshot.to_string()) == first.snapshot,
            || "the pointer names another one".to_owned(),
        ),
    ];
    end(demo, &chapter, &claims)
}

/// Nothing of these chapters is a run of this process, so there is no table.
fn end(
    demo: &mut Demo<'_>,
    chapter: &crate::ui::Chapter<'_>,
    claims: &[Claim],
) -> Result<(), Failure> {
    let report = Report {
        release: None::<ReleaseId>,
        generation: Generation::default(),
        hosts: Vec::new(),
        work: Work::default(),
        seconds: 0.0,
    };
    let is_well = claims.iter().all(|claim| claim.fault.is_none());
    let verdict = Verdict {
        exit: if is_well { Exit::Done } else { Exit::Failed },
        overall: if is_well {
            Overall::Ok
        } else {
            Overall::Failed
        },
    };
    demo.end(chapter, &report, verdict, claims)
}

/// The demo's own judgement of every instance's tree. One that is not there is told as one that differs, beside
/// what the program said that was to bring it there.
fn equal(demo: &Demo<'_>, place: &Place, expected: &Picture, what: &str) -> Claim {
    let difference = |instance| {
        let picture = place.tree(instance).and_then(|tree| demo.picture(&tree));
        match picture {
            Ok(picture) => expected.first_difference(&picture),
            Err(failure) => Some(one_line(&failure)),
        }
    };
    let mut differences = Vec::new();
    for instance in &place.instances {
        let first = difference(instance);
        differences.extend(first.map(|difference| format!("{}: {difference}", short(instance))));
    }
    let text = format!("all {} trees are equal to {what}", place.instances.len());
    Claim::new(text, differences.is_empty(), || differences.join("; "))
}

fn signed(place: &Place, generation: u64) -> Claim {
    let found = place.pointer().map(|pointer| pointer.generation.get());
    Claim::new(
        format!("generation {generation} is published, signed with the key that was made for it"),
        found == Some(generation),
        || format!("what is published is {found:?}"),
    )
}

fn short(instance: &InstanceId) -> &str {
    instance.as_str().trim_start_matches("i-0000000000000")
}

impl Ran {
    fn went_well(&self, text: &str) -> Claim {
        Claim::new(text, self.code == Some(0), || self.said.clone())
    }

    fn all_are(&self, text: &str, instances: usize) -> Claim {
        let is_proven = self.committed == instances;
        Claim::new(text, is_proven && self.code == Some(0), || {
            format!("{} were: {}", self.committed, self.said)
        })
    }
}
