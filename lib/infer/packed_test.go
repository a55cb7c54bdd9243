package infer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"quire/lib/checkpoint"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// TestPacked: a model that was packed before is mapped, not packed, and writes the same text; a file that was damaged or belongs to other weights is not used.
func TestPacked(t *testing.T) {
	if _, ok := simd.Default().(tensor.Repacker); !ok {
		t.Skip("the backend's packed operands cannot be kept")
	}
	dir := t.TempDir()
	path, packed := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "packed")
	write := func(seed uint64) {
		c := tinyConfig()
		c.HiddenSize, c.IntermediateSize, c.VocabSize, c.NumHeads = 1024, 4096, 2048, 32
		w := c.NewWeights(tensor.Heap, dtype.BF16)
		w.Init(c, seed)
		if err := checkpoint.SaveGGUF(path, c, w, nil, func(name string) dtype.Type { return dtype.BF16 }); err != nil {
			t.Fatal(err)
		}
		if w.Bytes() < packedLeast {
			t.Fatalf("the test's model has %d bytes", w.Bytes())
		}
	}
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
	write(1)
	_, first, mapped := open()
	if mapped {
		t.Fatal("the first start found a packed form")
	}
	if _, again, mapped := open(); !mapped || !slices.Equal(again, first) {
		t.Errorf("second start: mapped %v, wrote %v, the first wrote %v", mapped, again, first)
	}
	write(2)
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
