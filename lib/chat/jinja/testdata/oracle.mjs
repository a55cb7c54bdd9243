// Renders jobs with @huggingface/jinja. Usage: node oracle.mjs JOBS.json > RESULTS.json, in a folder with the package installed.
import { Template } from "@huggingface/jinja";
import fs from "node:fs";

globalThis.Date = class extends Date { // the clock of the package's strftime_now
  constructor(...given) { given.length ? super(...given) : super(2024, 6, 26, 13, 5, 9); }
};
const jobs = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const results = jobs.templates.map((source) =>
  jobs.contexts.map((context) => {
    try {
      return { text: new Template(source).render(context) };
    } catch (e) {
      return { error: String(e) };
    }
  }),
);
process.stdout.write(JSON.stringify(results));
