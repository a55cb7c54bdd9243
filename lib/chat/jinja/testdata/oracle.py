"""Renders jobs with Jinja2, set up as transformers does. Usage: oracle.py JOBS.json > RESULTS.json"""
import datetime, json, sys
import jinja2, jinja2.ext, jinja2.sandbox

class Generation(jinja2.ext.Extension):
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("inside")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)
    def inside(self, caller):
        return caller()

def fail(message):
    raise jinja2.exceptions.TemplateError(message)

def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = fail
env.globals["strftime_now"] = lambda f: datetime.datetime(2024, 7, 26, 13, 5, 9).strftime(f)

jobs = json.load(open(sys.argv[1], encoding="utf-8"))
results = []
for source in jobs["templates"]:
    row, template = [], None
    for context in jobs["contexts"]:
        try:
            template = template or env.from_string(source)
            row.append({"text": template.render(**context)})
        except Exception as e:
            row.append({"error": f"{type(e).__name__}: {e}"})
    results.append(row)
json.dump(results, sys.stdout)
