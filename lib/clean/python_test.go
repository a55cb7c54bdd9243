package clean

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkPython runs the rules of Gopher, C4 and FineWeb over the same documents here and in plain Python, one core each.
func BenchmarkPython(b *testing.B) {
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("no python3")
	}
	rules := slices.Concat(Gopher(), GopherRepetition(), C4(), FineWeb())
	for name, docs := range benchmarkTexts(b) {
		docs = docs[:min(len(docs), 200)]
		path := filepath.Join(b.TempDir(), name+".jsonl")
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		enc := json.NewEncoder(f)
		for _, d := range docs {
			if err := enc.Encode(d); err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
		b.Run("text="+name, func(b *testing.B) {
			var peer struct{ Seconds float64 }
			out, err := exec.Command(python, "testdata/rules.py", path).Output()
			if err == nil {
				err = json.Unmarshal(out, &peer)
			}
			if err != nil {
				b.Fatal(err)
			}
			var s Stats
			begin, n := time.Now(), 0
			for b.Loop() {
				for _, d := range docs {
					s.Measure(d)
					for _, r := range rules {
						r.Keeps(r.Value(&s))
					}
				}
				n += len(docs)
			}
			ours := float64(n) / time.Since(begin).Seconds()
			theirs := float64(len(docs)) / peer.Seconds
			b.ReportMetric(ours, "docs/s")
			b.ReportMetric(theirs, "python-docs/s")
			b.ReportMetric(ours/theirs, "x-python")
		})
	}
}
