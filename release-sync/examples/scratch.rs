use release_sync::*;
struct M; impl Monitor for M { fn event(&self, e: Event<'_>) { eprintln!("{e:?}"); } }
fn main(){
  let a: Vec<String> = std::env::args().collect();
  let agent = &a[1]; let src=&a[2]; let generation: u64 = a[3].parse().unwrap();
  let hosts = a[4..].iter().map(|d| Host{name:d.clone(),destination:d.into(),reach: if agent=="local" {Reach::Local} else {Reach::Command(vec![agent.into(),"serve".into(),"--root".into(),d.into()])}}).collect();
  let o = Options::default();
  let t=std::time::Instant::now();
  let f = Fleet::new(hosts,o.clone()).unwrap();
  if src=="undo" { println!("{:#?}", f.undo(Generation::new(generation),&M)); return; }
  let s = scan(src.as_ref(),&o,&M).unwrap();
  eprintln!("scan {:?} {}", t.elapsed(), s.release());
  let r = f.push(&s, Generation::new(generation), &M);
  println!("{r:#?}");
}
