package dedup

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// savedIndex returns the bytes of an index before its checksum.
func savedIndex(t testing.TB, minhash bool) []byte {
	t.Helper()
	c := inChunks(t, 2, texts("one two three four five six", "b", "one two three four five six", ""))
	o := Options{Save: filepath.Join(t.TempDir(), "x.idx")}
	_, err := Exact(t.Context(), c, o)
	if minhash {
		_, err = MinHash(t.Context(), c, Config{Shingle: 3, Bands: 2, Rows: 2}, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(o.Save)
	if err != nil {
		t.Fatal(err)
	}
	return data[:len(data)-8]
}

// An index that is cut short or tells untrue numbers is refused.
func TestParseIndex(t *testing.T) {
	for _, minhash := range []bool{false, true} {
		good := savedIndex(t, minhash)
		x, err := parseIndex(good)
		if err != nil || len(x.kept) != 4 || x.id(0) != "d0" || x.id(2) != "" || x.id(3) != "d3" || x.kept[2] != 0 {
			t.Fatalf("%+v, %v", x, err)
		}
		for n := range good {
			if _, err := parseIndex(good[:n]); err == nil {
				t.Errorf("%d of %d bytes are an index", n, len(good))
			}
		}
	}
	line, rest, _ := bytes.Cut(savedIndex(t, false), []byte{'\n'})
	for name, change := range map[string]func(h *header){
		"format":    func(h *header) { h.Format = "x" },
		"method":    func(h *header) { h.Method = "minhash" },
		"settings":  func(h *header) { h.Config = &Config{Shingle: 1, Bands: 1 << 40, Rows: 1 << 40} },
		"documents": func(h *header) { h.Docs = 1 << 62 },
		"fewer":     func(h *header) { h.Docs-- },
		"more":      func(h *header) { h.Docs++ },
	} {
		var h header
		if err := json.Unmarshal(line, &h); err != nil {
			t.Fatal(err)
		}
		change(&h)
		changed, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseIndex(append(append(changed, '\n'), rest...)); err == nil {
			t.Errorf("an index with another %s is read", name)
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(savedIndex(f, false))
	f.Add(savedIndex(f, true))
	f.Add([]byte(`{"Format":"quire-dedup-1","Method":"exact","Docs":1}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndex(data)
		if err != nil {
			return
		}
		for n, k := range x.kept {
			x.id(uint32(n))
			if x.kept[k] != k {
				t.Errorf("document %d is kept as %d, which is not", n, k)
			}
		}
	})
}
