package infer

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"quire/lib/checkpoint"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// writeWide writes a model that is large enough to be kept packed.
func writeWide(t *testing.T, path string, seed uint64) {
	t.Helper()
	c := tinyConfig()
	c.HiddenSize, c.IntermediateSize, c.VocabSize, c.NumHeads = 1024, 4096, 2048, 32
	w := c.NewWeights(tensor.Heap, dtype.BF16)
	w.Init(c, seed)
	if err := checkpoint.SaveGGUF(path, c, w, nil, nil); err != nil {
		t.Fatal(err)
	}
	if w.Bytes() < packedLeast {
		t.Fatalf("the test's model has %d bytes", w.Bytes())
	}
}

// TestPacked: a model that was packed before is mapped, not packed, and writes the same text; a file that was damaged or belongs to other weights is not used.
func TestPacked(t *testing.T) {
	if _, ok := simd.Default().(tensor.Repacker); !ok {
		t.Skip("the backend's packed operands cannot be kept")
	}
	dir := t.TempDir()
	path, packed := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "packed")
	open := func() (*Engine, []uint32, bool) {
		t.Helper()
		e, err := Open(path, Config{PackedDir: packed})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Packed(); err != nil {
			t.Fatal(err)
		}
		ids := complete(t, e, Request{IDs: prompt(20, 1), MaxTokens: 20})[0].IDs()
		return e, ids, e.kept.packer != nil && e.kept.packer.file != nil
	}
	writeWide(t, path, 1)
	_, first, mapped := open()
	if mapped {
		t.Fatal("the first start found a packed form")
	}
	if _, again, mapped := open(); !mapped || !slices.Equal(again, first) {
		t.Errorf("second start: mapped %v, wrote %v, the first wrote %v", mapped, again, first)
	}
	writeWide(t, path, 2)
	if _, other, mapped := open(); mapped || slices.Equal(other, first) {
		t.Errorf("other weights under the same path: mapped %v, wrote %v as before", mapped, other)
	}
	files, _ := filepath.Glob(filepath.Join(packed, "*.packed"))
	if len(files) != 2 {
		t.Fatalf("%d packed files: want one for each content", len(files))
	}
	for _, f := range files {
		if err := os.Truncate(f, 5000); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, mapped := open(); mapped {
		t.Error("a truncated file was used")
	}
}

// TestKilledWhilePacking: a process that is killed while it writes the packed form leaves nothing that a later start takes for one, and what it left goes when it is old.
func TestKilledWhilePacking(t *testing.T) {
	if _, ok := simd.Default().(tensor.Repacker); !ok {
		t.Skip("the backend's packed operands cannot be kept")
	}
	const child = "QUIRE_TEST_PACKED_DIR"
	if dir := os.Getenv(child); dir != "" {
		e, err := Open(filepath.Join(dir, "model.gguf"), Config{PackedDir: filepath.Join(dir, "packed")})
		if err != nil {
			t.Fatal(err)
		}
		t.Fatalf("was not killed: %v", errors.Join(e.Packed(), e.Close()))
	}
	dir := t.TempDir()
	path, packed := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "packed")
	writeWide(t, path, 1)
	text := func(packed string) []uint32 {
		t.Helper()
		e, err := Open(path, Config{PackedDir: packed})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Packed(); err != nil {
			t.Fatal(err)
		}
		return complete(t, e, Request{IDs: prompt(20, 1), MaxTokens: 20})[0].IDs()
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhilePacking$")
	cmd.Env = append(os.Environ(), child+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Skip("no second process here:", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	var left []string
	for running := true; running && len(left) == 0; left, _ = filepath.Glob(filepath.Join(packed, unfinished+"*")) {
		select {
		case <-ended:
			running = false
		case <-time.After(time.Millisecond):
		}
	}
	_ = cmd.Process.Kill()
	<-ended
	if done, _ := filepath.Glob(filepath.Join(packed, "*.packed")); len(done) > 0 {
		t.Skip("the process was quicker than its end")
	}
	if left, _ = filepath.Glob(filepath.Join(packed, unfinished+"*")); len(left) != 1 {
		t.Fatalf("the killed process left %v: want the file that it was writing", left)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left[0], old, old); err != nil {
		t.Fatal(err)
	}
	want := text(NoPackedDir)
	for range 2 {
		if got := text(packed); !slices.Equal(got, want) {
			t.Errorf("after the kill: %v, without a packed form %v", got, want)
		}
	}
	if left, _ = filepath.Glob(filepath.Join(packed, unfinished+"*")); len(left) > 0 {
		t.Errorf("%v are still there", left)
	}
}

func FuzzParsePacked(f *testing.F) {
	f.Add([]byte(packedMagic))
	f.Add(append([]byte(packedMagic), 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := parsePacked(data)
		if err != nil {
			return
		}
		for _, r := range records {
			_ = data[r.Offset : r.Offset+r.Length]
		}
	})
}
