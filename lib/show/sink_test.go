package show

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// recorder is a sink that keeps what it is given.
type recorder struct {
	mu    sync.Mutex
	cell  string
	run   string
	log   []shown
	comms []Comm
}

type shown struct {
	op, id string
	bundle map[string]any
	at     time.Time
}

func (r *recorder) add(op, id string, bundle map[string]any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, shown{op, id, bundle, time.Now()})
	return nil
}
func (r *recorder) Display(id string, b map[string]any) error { return r.add("display", id, b) }
func (r *recorder) Update(id string, b map[string]any) error  { return r.add("update", id, b) }
func (r *recorder) Clear(bool) error                          { return r.add("clear", "", nil) }
func (r *recorder) Input(context.Context, string, bool) (string, error) {
	return "answer", nil
}
func (r *recorder) Comm(c Comm) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.comms = append(r.comms, c)
	return nil
}
func (r *recorder) Cell() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cell
}
func (r *recorder) Run() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.run
}
func (r *recorder) shown() []shown {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]shown(nil), r.log...)
}
func (r *recorder) sent() []Comm {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Comm(nil), r.comms...)
}

// record installs a recorder for the test.
func record(t testing.TB) *recorder {
	r := &recorder{cell: t.Name()}
	previous := Install(r)
	t.Cleanup(func() { Install(previous) })
	return r
}

func TestDisplayAndUpdate(t *testing.T) {
	r := record(t)
	Display(Markdown("*a*"), 3)
	id, err := DisplayID("one")
	if err != nil {
		t.Fatal(err)
	}
	Update(id, "two")
	Clear(true)
	if line, err := Input("name?"); line != "answer" || err != nil {
		t.Errorf("Input gives %q, %v", line, err)
	}
	log := r.shown()
	if len(log) != 5 || log[0].bundle["text/markdown"] != "*a*" || log[1].bundle["text/plain"] != "3" ||
		log[3].op != "update" || log[3].id != log[2].id || log[3].id == "" || log[3].bundle["text/plain"] != "two" || log[4].op != "clear" {
		t.Errorf("the sink was given %v", log)
	}
}

type panics struct{}

func (panics) MIMEBundle() map[string]any { panic("no") }

func TestBundle(t *testing.T) {
	if _, ok := Bundle(3); ok {
		t.Error("a number has a bundle of its own")
	}
	if _, ok := Bundle(nil); ok {
		t.Error("nil has a bundle of its own")
	}
	if b, ok := Bundle(panics{}); !ok || !strings.Contains(b["text/plain"].(string), "could not be shown: no") {
		t.Errorf("a panic became %v", b)
	}
}

// TestLibraryOnce says which charts carry ECharts: the first, and the first when its cell runs again.
func TestLibraryOnce(t *testing.T) {
	r := record(t)
	carries := func() bool {
		return strings.Contains(Line([]int{1, 2}).MIMEBundle()["text/html"].(string), "quire-library")
	}
	for _, step := range []struct {
		cell, run string
		want      bool
	}{{"a", "1", true}, {"a", "1", false}, {"b", "2", false}, {"a", "3", true}, {"a", "3", false}, {"b", "4", false}, {"", "", false}} {
		r.mu.Lock()
		r.cell, r.run = step.cell, step.run
		r.mu.Unlock()
		if got := carries(); got != step.want {
			t.Errorf("chart in run %s of cell %q carries the library: %v, want %v", step.run, step.cell, got, step.want)
		}
	}
	record(t)
	if !carries() {
		t.Error("the first chart of another notebook does not carry the library")
	}
}

func TestTerminal(t *testing.T) {
	var pipe bytes.Buffer
	s := NewTerminal(&pipe)
	s.Display("x", map[string]any{"text/plain": "a\x1b[31mb\u202e"})
	s.Update("x", map[string]any{"text/plain": "later"})
	if got := pipe.String(); got != "a␛[31mb\ufffd\n" {
		t.Errorf("a pipe got %q", got)
	}
	if err := s.Comm(Comm{}); !errors.Is(err, ErrNoComms) {
		t.Errorf("comms on a terminal: %v", err)
	}
	screen := &terminal{w: &pipe, screen: true}
	pipe.Reset()
	screen.Display("x", map[string]any{"text/plain": "one\ntwo"})
	screen.Update("x", map[string]any{"text/plain": "three"})
	screen.Update("y", map[string]any{"text/plain": "elsewhere"})
	if got := pipe.String(); got != "one\ntwo\n\x1b[2A\r\x1b[Jthree\n" {
		t.Errorf("a screen got %q", got)
	}
}

func TestReadLineEnds(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := readLine(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a line that never comes gives %v", err)
	}
	if line, err := readLine(t.Context(), strings.NewReader("a b\r\nc")); line != "a b" || err != nil {
		t.Errorf("read %q, %v", line, err)
	}
}

// TestGoNB runs this test binary as the program of a GoNB cell and reads its pipe as GoNB's kernel does.
func TestGoNB(t *testing.T) {
	if os.Getenv("GONB_PIPE") != "" {
		Display(Markdown("from gonb"), JSON([]int{1}))
		id, _ := DisplayID("one")
		Update(id, "two")
		return
	}
	upR, upW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	downR, downW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestGoNB$")
	cmd.Env = append(os.Environ(), "GONB_PIPE=/dev/fd/3", "GONB_PIPE_BACK=/dev/fd/4")
	cmd.ExtraFiles = []*os.File{upW, downR}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	upW.Close()
	var got []protocol.DisplayData
	enc, dec := gob.NewEncoder(downW), gob.NewDecoder(upR)
	for {
		var d protocol.DisplayData
		if err := dec.Decode(&d); err != nil {
			break
		}
		if c, ok := d.Data[protocol.MIMECommValue].(protocol.CommValue); ok {
			enc.Encode(protocol.CommValue{Address: protocol.GonbuiSyncAckAddress, Value: c.Value})
			continue
		}
		got = append(got, d)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program: %v", err)
	}
	if len(got) != 4 || got[0].Data["text/markdown"] != "from gonb" || got[1].Data["application/json"] != "[1]" ||
		got[2].DisplayID == "" || got[2].DisplayID != got[3].DisplayID || got[3].Data["text/plain"] != "two" {
		text, _ := json.Marshal(got)
		t.Errorf("the kernel was sent %s", text)
	}
}
