package corpus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// stageOf measures texts and drops the short ones and those of some ids. hold, where not nil, is called with the first document that a
// chunk has.
func stageOf(workers int, hold func(Document)) Stage {
	return Stage{
		Name:      "at least 100 bytes",
		Operators: []Operator{constant{}},
		Workers:   workers,
		Drop: func(b Batch, i int) string {
			d := b.Doc(i)
			if i == 0 && hold != nil {
				hold(d)
			}
			if len(d.Text) < 100 {
				return "short"
			}
			if strings.HasSuffix(d.ID, "2") {
				return "listed"
			}
			return ""
		},
	}
}

func TestStage(t *testing.T) {
	c := manyChunks(t)
	var want map[string]string
	var first *Datasheet
	for _, workers := range []int{1, 2, 9} {
		dir := filepath.Join(t.TempDir(), "out")
		last := 0
		s := stageOf(workers, nil)
		s.Progress = func(done, total int) { last = done - total }
		out, sheet, err := s.Run(t.Context(), c, dir)
		if err != nil || last != 0 {
			t.Fatalf("%d workers: error %v, %d documents short", workers, err, -last)
		}
		defer out.Close()
		if want == nil {
			want, first = readTree(t, dir), sheet
			checkStage(t, c, out, sheet)
		} else if !maps.Equal(readTree(t, dir), want) || !reflect.DeepEqual(sheet, first) {
			t.Errorf("%d workers give other files or another datasheet", workers)
		}
	}
}

func checkStage(t *testing.T, c, out *Corpus, sheet *Datasheet) {
	t.Helper()
	var want []Document
	dropped := map[string]int{}
	for _, d := range documents(t, c) {
		switch {
		case len(d.Text) < 100:
			dropped["short"]++
		case strings.HasSuffix(d.ID, "2"):
			dropped["listed"]++
		default:
			want = append(want, d)
		}
	}
	if got := documents(t, out); !reflect.DeepEqual(got, want) {
		t.Errorf("%d documents, want %d, or they differ", len(got), len(want))
	}
	if !out.Schema().HasField("score") {
		t.Error("the operator's column is missing")
	}
	got := map[string]int{}
	for _, d := range sheet.Dropped {
		got[d.Name] = d.Documents
	}
	if !maps.Equal(got, dropped) || sheet.Documents != len(want) {
		t.Errorf("datasheet %+v, want %d documents and %v dropped", sheet, len(want), dropped)
	}
}

// TestStageKilled kills the process that runs a stage, three times, each time behind another chunk, and lets another one finish. The
// process never comes past that chunk.
func TestStageKilled(t *testing.T) {
	if dir := os.Getenv("STAGE_DIR"); dir != "" { // the child
		hold := func(d Document) {
			if d.ID[:1] >= os.Getenv("STAGE_HOLD") {
				time.Sleep(time.Hour)
			}
		}
		if _, _, err := stageOf(2, hold).Run(t.Context(), manyChunks(t), dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	c := manyChunks(t)
	whole := filepath.Join(t.TempDir(), "whole")
	if _, _, err := stageOf(1, nil).Run(t.Context(), c, whole); err != nil {
		t.Fatal(err)
	}
	want := readTree(t, whole)

	dir := filepath.Join(t.TempDir(), "killed")
	for chunks := 1; chunks <= 3; chunks++ {
		child := exec.Command(os.Args[0], "-test.run=^TestStageKilled$", "-test.count=1")
		child.Env = append(os.Environ(), "STAGE_DIR="+dir, fmt.Sprint("STAGE_HOLD=", chunks))
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		made := func() int {
			done, err := filepath.Glob(filepath.Join(dir, "0*.json"))
			if err != nil {
				t.Fatal(err)
			}
			return len(done)
		}
		for deadline := time.Now().Add(2 * time.Minute); made() < chunks && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil || made() < chunks {
			t.Fatalf("killed behind chunk %d, with %d chunks made: %v", chunks, made(), err)
		}
		if chunks == 2 { // what a kill in the middle of writing leaves
			write(t, filepath.Join(dir, "000004.arrow.part-77"), []byte("half"))
		}
	}
	out, sheet, err := stageOf(3, nil).Run(t.Context(), c, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if got := readTree(t, dir); !maps.Equal(got, want) {
		t.Errorf("killed and resumed, the folder has %d files, want %d, or they differ", len(got), len(want))
	}
	checkStage(t, c, out, sheet)
}

func TestStageRefuses(t *testing.T) {
	c := manyChunks(t)
	dir := filepath.Join(t.TempDir(), "out")
	if _, _, err := stageOf(1, nil).Run(t.Context(), c, dir); err != nil {
		t.Fatal(err)
	}
	want := readTree(t, dir)
	other, err := c.Where(func(d Document) bool { return d.ID != "0-1" })
	if err != nil {
		t.Fatal(err)
	}
	renamed := stageOf(1, nil)
	renamed.Name = "at least 99 bytes"
	foreign := t.TempDir()
	write(t, filepath.Join(foreign, "thesis.tex"), []byte("x"))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for want, run := range map[string]func() error{
		`was made by stage "at least 100 bytes"`: func() error { _, _, err := renamed.Run(t.Context(), c, dir); return err },
		"was made from another corpus":           func() error { _, _, err := stageOf(1, nil).Run(t.Context(), other, dir); return err },
		"files that no stage has made":           func() error { _, _, err := stageOf(1, nil).Run(t.Context(), c, foreign); return err },
		context.Canceled.Error(): func() error {
			_, _, err := stageOf(1, nil).Run(cancelled, c, filepath.Join(t.TempDir(), "new"))
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, error %v", want, err)
		}
	}
	if !maps.Equal(readTree(t, dir), want) {
		t.Error("a refused stage has changed the folder")
	}
}

func TestStageNothing(t *testing.T) {
	for name, c := range map[string]*Corpus{"no chunk": {}, "no document": manyChunks(t).Head(0)} {
		out, sheet, err := stageOf(1, nil).Run(t.Context(), c, filepath.Join(t.TempDir(), "out"))
		if err != nil || out.NumDocs() != 0 || sheet.Documents != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	all := Stage{Name: "none left", Drop: func(Batch, int) string { return "all" }, Bare: true}
	dir := filepath.Join(t.TempDir(), "out")
	out, sheet, err := all.Run(t.Context(), manyChunks(t), dir)
	if err != nil || out.NumDocs() != 0 || len(sheet.Dropped) != 1 || sheet.Dropped[0].Share != 1 {
		t.Errorf("all dropped: %v %+v", err, sheet)
	}
	var r chunkReport
	if err := readJSON(filepath.Join(dir, "000001.json"), &r); err != nil || r.Documents != 0 {
		t.Error(err, r)
	}
	if err := readJSON(filepath.Join(dir, "nothing.json"), &r); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if b, err := json.Marshal(sheet); err != nil || !strings.Contains(string(b), `"dropped"`) {
		t.Errorf("%s %v", b, err)
	}
}

// BenchmarkStage drops every other document and writes the rest; MB/s are of text that is read.
func BenchmarkStage(b *testing.B) {
	c := shaped(b, 64<<20)
	s := Stage{Name: "half", Drop: func(b Batch, i int) string {
		if i%2 == 0 {
			return "even"
		}
		return ""
	}}
	b.SetBytes(64 << 20)
	for n := 0; b.Loop(); n++ {
		out, _, err := s.Run(b.Context(), c, filepath.Join(b.TempDir(), fmt.Sprint(n)))
		if err != nil {
			b.Fatal(err)
		}
		out.Close()
	}
}
