package kerneltest

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"quire/kernel/wire"
)

var update = flag.Bool("update", false, "rewrite the want sections of the transcripts")

// A transcript is a txtar file. Its sections are steps, run in order; N names a request:
//
//	-- N execute [silent nohistory nostdin nostop in=M] --  a cell; in=M runs it in the subshell that request M created
//	-- N complete --, -- N inspect --, -- N is_complete --   code, with ‸ at the cursor
//	-- N shell TYPE --, -- N control TYPE --                 any request, its content as JSON ({} when empty)
//	-- N answer M --                                         a line of input, as soon as request M asks for one
//	-- N wait M TEXT --                                      until a message that belongs to request M holds TEXT
//	-- N pause D --                                          a time that must pass, where nothing can be waited for
//	-- N want --                                             waits for the end of request N, then compares all that belongs to it
//
// The lines of want are the messages on iopub in order, then those on the other sockets. In a want line … stands for anything.
// A file whose comment says "needs process" is not run with the session inside the test process.
const stepLimit = 2 * time.Minute

// play runs a transcript against a kernel.
func play(t *testing.T, file string, c *Client) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	changed := false
	for i, section := range archive.Files {
		fields := strings.Fields(section.Name)
		if len(fields) < 2 {
			t.Fatalf("section %q: want a name and an action", section.Name)
		}
		name, action, args, body := fields[0], fields[1], fields[2:], strings.TrimSuffix(string(section.Data), "\n")
		switch action {
		case "want":
			if _, err := c.Done(ids[name], stepLimit); err != nil {
				t.Errorf("request %s: %v; so far:\n%s", name, err, strings.Join(render(c.Messages(ids[name])), "\n"))
				return
			}
			got := render(c.Messages(ids[name]))
			want := strings.Split(body, "\n")
			if merged := merge(want, got); *update {
				data := []byte(strings.Join(merged, "\n") + "\n")
				changed = changed || string(data) != string(section.Data)
				archive.Files[i].Data = data
			} else if diff := cmp.Diff(want, merged); diff != "" {
				t.Errorf("request %s (-want +got):\n%s", name, diff)
			}
		case "wait":
			text := strings.Join(args[1:], " ")
			if _, err := c.Wait(stepLimit, func(m Received) bool {
				return m.Parent == ids[args[0]] && strings.Contains(m.Header.Type+" "+string(m.Content), text)
			}); err != nil {
				t.Fatalf("waiting for %q of request %s: %v", text, args[0], err)
			}
		case "pause":
			d, err := time.ParseDuration(args[0])
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
		case "answer":
			m, err := c.Wait(stepLimit, func(m Received) bool {
				return m.Parent == ids[args[0]] && m.Channel == Stdin && ids["answered "+m.Header.ID] == ""
			})
			if err != nil {
				t.Fatalf("request %s asked for no input: %v", args[0], err)
			}
			ids["answered "+m.Header.ID] = "yes"
			c.Answer(m, body)
		default:
			ids[name] = request(t, c, action, args, body, ids)
		}
	}
	if changed {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// request sends the request of a section and returns its id.
func request(t *testing.T, c *Client, action string, args []string, body string, ids map[string]string) string {
	switch action {
	case "execute":
		content := map[string]any{"code": body, "silent": slices.Contains(args, "silent"), "store_history": !slices.Contains(args, "nohistory"),
			"allow_stdin": !slices.Contains(args, "nostdin"), "stop_on_error": !slices.Contains(args, "nostop")}
		edit := func(*wire.Message) {}
		for _, a := range args {
			if of, ok := strings.CutPrefix(a, "in="); ok {
				reply, err := c.Done(ids[of], stepLimit)
				if err != nil {
					t.Fatal(err)
				}
				edit = func(m *wire.Message) { m.Header.Subshell = reply.Get("subshell_id") }
			}
			if expr, ok := strings.CutPrefix(a, "expr="); ok {
				content["user_expressions"] = map[string]string{"e": expr}
			}
		}
		return c.Send(Shell, "execute_request", content, edit)
	case "complete", "inspect", "is_complete":
		before, after, marked := strings.Cut(body, "‸")
		content := map[string]any{"code": before + after}
		if marked {
			content["cursor_pos"] = utf8.RuneCountInString(before)
		}
		return c.Send(Shell, action+"_request", content)
	case "shell", "control":
		if body == "" {
			body = "{}"
		}
		for name, id := range ids {
			if strings.Contains(body, "SUBSHELL-"+name) {
				reply, err := c.Done(id, stepLimit)
				if err != nil {
					t.Fatal(err)
				}
				body = strings.ReplaceAll(body, "SUBSHELL-"+name, reply.Get("subshell_id"))
			}
		}
		return c.Send(Channel(action), args[0], json.RawMessage(body))
	}
	t.Fatalf("unknown action %q", action)
	return ""
}

// render writes messages as lines.
func render(messages []Received) []string {
	var iopub, others []string
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		var content map[string]any
		if err := json.Unmarshal(m.Content, &content); err != nil {
			others = append(others, "not JSON: "+err.Error())
			continue
		}
		if m.Channel != IOPub {
			others = append(others, describe(m.Header.Type, content))
			continue
		}
		name, text := content["name"], content["text"]
		line := describe(m.Header.Type, content)
		if line == "busy" && len(iopub) > 0 {
			continue // repeated after whatever was answered beside the cell; TestBusyAgain has it
		}
		if n := len(iopub); m.Header.Type == "stream" && n > 0 { // how text is cut into messages depends on time
			head := fmt.Sprintf("stream %v ", name)
			if rest, ok := strings.CutPrefix(iopub[n-1], head); ok {
				var before string
				if json.Unmarshal([]byte(rest), &before) == nil {
					iopub[n-1] = head + quote(before+fmt.Sprint(text))
					continue
				}
			}
		}
		iopub = append(iopub, line)
	}
	return append(iopub, others...)
}

func quote(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v)
	return strings.TrimSpace(b.String())
}

// describe writes a message as one line (the traceback of an error as further ones).
func describe(msgType string, content map[string]any) string {
	take := func(name string) any {
		v := content[name]
		delete(content, name)
		return v
	}
	line := msgType
	switch msgType {
	case "status":
		return fmt.Sprint(take("execution_state"))
	case "stream":
		line += fmt.Sprintf(" %v %s", take("name"), quote(take("text")))
	case "execute_input":
		line += fmt.Sprint(" ", take("execution_count"))
		take("code")
	case "display_data", "update_display_data", "execute_result":
		if n := take("execution_count"); n != nil {
			line += fmt.Sprint(" ", n)
		}
		if transient, _ := take("transient").(map[string]any); transient["display_id"] != nil {
			line += fmt.Sprint(" id=", transient["display_id"])
		}
		data, _ := take("data").(map[string]any)
		for _, mime := range slices.Sorted(maps.Keys(data)) {
			line += " " + mime + "=" + shorten(quote(data[mime]))
		}
	case "error":
		line += fmt.Sprintf(" %v: %v", take("ename"), take("evalue"))
		trace, _ := take("traceback").([]any)
		for i, l := range trace {
			if i > 0 && trace[i-1] == "Its last words:" {
				l, _, _ = strings.Cut(fmt.Sprint(l), "\n") // the rest is the runtime's, and long
			}
			for s := range strings.SplitSeq(ansi.ReplaceAllString(fmt.Sprint(l), ""), "\n") {
				line += "\n  | " + s
			}
		}
	case "execute_reply":
		line = fmt.Sprint("reply ", take("status"))
		if n := take("execution_count"); n != nil {
			line += fmt.Sprint(" ", n)
		}
		if e := take("ename"); e != nil {
			line += fmt.Sprint(" ", e)
			take("evalue")
			take("traceback")
		}
	case "complete_reply":
		take("metadata")
		line += fmt.Sprintf(" %v:%v %s", take("cursor_start"), take("cursor_end"), quote(take("matches")))
		take("status")
	}
	for name, v := range content { // what is empty says nothing
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				delete(content, name)
			}
		case []any:
			if len(v) == 0 && msgType == "execute_reply" {
				delete(content, name)
			}
		}
	}
	if len(content) > 0 {
		line += " " + quote(content)
	}
	return line
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

func shorten(s string) string {
	if len(s) > 400 {
		return strings.ToValidUTF8(s[:400], "") + "..."
	}
	return s
}

// merge gives got with the lines of want in place of those that they fit by their wildcards.
func merge(want, got []string) []string {
	got = strings.Split(strings.Join(got, "\n"), "\n")
	merged := slices.Clone(got)
	w := 0
	for i, line := range got {
		for at := w; at < len(want); at++ {
			if fits(want[at], line) {
				merged[i], w = want[at], at+1
				break
			}
		}
	}
	return merged
}

func fits(want, got string) bool {
	if !strings.Contains(want, "…") {
		return want == got
	}
	parts := strings.Split(want, "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("^(?s:" + strings.Join(parts, ".*") + ")$").MatchString(got)
}

// transcripts plays every file of a folder against kernels made by start.
func transcripts(t *testing.T, folder string, start func(t *testing.T, needsProcess bool) *Client) {
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %s: %v", folder, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, file, start(t, strings.Contains(string(archive.Comment), "needs process")))
		})
	}
}
