//! `sprat verify`

use serde_json::json;
use sprat_engine::originals;

use crate::cli::VerifyArgs;
use crate::exit::{Failure, OrExit as _, fail};
use crate::output::Output;
use crate::{get, text};

pub(crate) fn run(args: &VerifyArgs, output: Output) -> anyhow::Result<()> {
    let metainfo = originals::with_names_on_disk(get::read(&args.torrent)?, &args.dir);
    let bar = output.bar(1, "checking {bar:30} {percent:>3}%  {binary_bytes_per_sec}  {eta} left");
    let report = sprat_engine::verify::verify(&metainfo, &args.dir, None, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report.or_exit(Failure::Disk)?;
    for file in report.files.iter().filter(|file| file.bad > 0) {
        let path = text::safe(&file.path, 500);
        output.result(format_args!("{path}: {} of {} pieces missing or wrong", file.bad, file.pieces));
        output.object(&json!({ "file": file.path, "pieces": file.pieces, "bad": file.bad }));
    }
    let (good, all) = (report.good.count(), report.good.len());
    output.object(&json!({ "pieces": all, "good": good }));
    if !report.is_good() {
        return fail(Failure::Mismatch, format_args!("{good} of {all} pieces match"));
    }
    output.line(format_args!("all {all} pieces match"));
    Ok(())
}
