mod files;
use files::Folder; use hub_core::document::Parser; use hub_mapping::*;
#[test] fn show(){
 let folder=Folder::project();
 for name in ["his/adt","lis/oru-r01"] {
 let m=compile(name,&folder).unwrap();
 let dir=std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
 let mut v:Vec<_>=std::fs::read_dir(dir).unwrap().map(|e|e.unwrap().path()).filter(|p|p.extension().is_some_and(|e|e=="hl7")).collect(); v.sort();
 for p in v { let b=std::fs::read(&p).unwrap(); let n=p.file_name().unwrap().display().to_string();
  let d=match hub_formats::hl7v2::Hl7Parser::default().parse(&b){Ok(d)=>d,Err(e)=>{println!("{n}: parse {e}");continue}};
  let t=std::time::Instant::now(); let mut r=m.run(&*d); for _ in 0..50 { r=m.run(&*d);} let us=t.elapsed().as_micros()/51;
  match r { Ok(r)=>{println!("{n}: {} changes, {} notes {us}us {:?}",r.changes.len(),r.notes.len(),r.notes);
    if n.starts_with("a01-adm")||n.contains("critical")&&std::env::var("SHOW").is_ok() { for c in &r.changes { println!("   {}", hub_fhir::Json::Object(c.resource().unwrap().tree().clone()).to_text()); }
     let (_,t)=m.run_traced(&*d).unwrap(); for l in t.lineage.iter().take(40){println!("     {l:?}");} for u in m.unread(&*d,&t){println!("     unread {u:?}");} } },
   Err(f)=>println!("{n}: FAULT {f}")}
 }}}
