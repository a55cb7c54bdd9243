package track

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

type params struct {
	LR    float64
	Model struct{ Layers int }
}

// life makes a corpus, a tokenizer of it, and a model of both.
func life(t *testing.T, s *Store, dir string, layers int) (model Artefact, train *Run) {
	t.Helper()
	run := must[*Run](t)
	made := must[Artefact](t)
	corpus := run(s.Start("corpus", "gosrc", nil))
	c := made(corpus.File("corpus", file(t, dir, "corpus.arrow", "text"), map[string]any{"documents": 3}))
	tok := run(s.Start("tokenizer", "bpe", map[string]any{"vocab": 512}, c))
	tk := made(tok.File("tokenizer", file(t, dir, "tokenizer.json", "{}"), nil))
	p := params{LR: 3e-4 * float64(layers)}
	p.Model.Layers = layers
	train = run(s.Start("train", "depth", p, c, tk))
	for step := range int64(5) {
		if err := train.Log(step, map[string]float64{"loss": 5 / float64(step+1), "lr": p.LR}); err != nil {
			t.Fatal(err)
		}
	}
	file(t, dir, "model/config.json", "{}")
	file(t, dir, "model/weights.safetensors", strings.Repeat("w", layers))
	model = made(train.File("checkpoint", filepath.Join(dir, "model"), nil))
	for _, r := range []*Run{corpus, tok, train} {
		if err := r.Finish(nil); err != nil {
			t.Fatal(err)
		}
	}
	return model, train
}

// TestExplain follows a model back to its corpus, through a file that was closed and opened again.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "runs.sqlite")
	s := open(t, path)
	model, _ := life(t, s, dir, 2)
	s.Close()
	s = open(t, path)
	l, err := s.Explain(model.Hash[:8], Excerpt{"src/fmt/print.go", "func Println", 0.5})
	if err != nil {
		t.Fatal(err)
	}
	roots := l.Roots()
	if len(roots) != 1 || roots[0].Kind != "corpus" || roots[0].Meta["documents"] != 3.0 {
		t.Errorf("roots %v", roots)
	}
	text := l.String()
	for _, want := range []string{"checkpoint model", "made by run 3, train depth", "    tokenizer tokenizer.json", "        corpus corpus.arrow", "see above", `resembles src/fmt/print.go (50 %): "func Println"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the explanation lacks %q:\n%s", want, text)
		}
	}
	if page := l.MIMEBundle()["text/html"].(string); !strings.Contains(page, "src/fmt/print.go") || !strings.Contains(page, "tokenizer.json") {
		t.Errorf("page %s", page)
	}
	if err := s.Verify(model); err != nil {
		t.Error(err)
	}
	file(t, dir, "model/config.json", "changed")
	if err := s.Verify(model); err == nil || !strings.Contains(err.Error(), "is not the checkpoint that was noted") {
		t.Errorf("a changed folder: %v", err)
	}
}

// TestSameContent makes the same artefact twice: it is one, with two makers.
func TestSameContent(t *testing.T) {
	s, dir := open(t, ""), t.TempDir()
	a, _ := life(t, s, dir, 2)
	b, _ := life(t, s, dir, 2)
	if a.Hash != b.Hash {
		t.Errorf("%v and %v", a, b)
	}
	l, err := s.Explain(a.Hash)
	if err != nil || len(l.Makers) != 2 {
		t.Errorf("%v: %v", l, err)
	}
	if all, _ := s.Artefacts(); len(all) != 3 {
		t.Errorf("artefacts %v", all)
	}
}

func TestCompare(t *testing.T) {
	s, dir := open(t, ""), t.TempDir()
	_, a := life(t, s, dir, 2)
	_, b := life(t, s, dir, 4)
	c, err := s.Compare(a.ID, b.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Params) != 2 || c.Params[0].Name != "LR" || c.Params[1].Name != "Model.Layers" || c.Params[1].A != 2.0 || c.Params[1].B != 4.0 {
		t.Errorf("parameters %+v", c.Params)
	}
	if len(c.Metrics) != 2 || c.Metrics[0] != (MetricPair{"loss", 1, 1}) {
		t.Errorf("metrics %+v", c.Metrics)
	}
	if text := c.MIMEBundle()["text/markdown"].(string); !strings.Contains(text, "| Model.Layers | 2 | 4 |") {
		t.Errorf("shows as %s", text)
	}
	if err := c.Curve("loss").Err(); err != nil {
		t.Error(err)
	}
	if _, err := s.Compare(a.ID, 99); err == nil || !strings.Contains(err.Error(), "no run 99") {
		t.Errorf("an unknown run: %v", err)
	}
}

func TestCard(t *testing.T) {
	s, dir := open(t, ""), t.TempDir()
	SetBackend("cpu avx512, 2 threads")
	defer SetBackend("")
	model, _ := life(t, s, dir, 2)
	broken := must[*Run](t)(s.Start("quantize", "q4", nil, model))
	if err := broken.Finish(errors.New("no room | left")); err != nil {
		t.Fatal(err)
	}
	card, err := s.Card("A model's life", ".")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := card.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{"A model&#39;s life", "cpu avx512, 2 threads", model.Hash, "no room", "loss 1,", "Lines of Go: "} {
		if !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, "&#39;", "'")) {
			t.Errorf("the card lacks %q", want)
		}
	}
	if !strings.Contains(card.MIMEBundle()["text/plain"].(string), "| 3 | train | depth | done |") {
		t.Errorf("%v", card.MIMEBundle()["text/plain"])
	}
}

func TestMetrics(t *testing.T) {
	s := open(t, "")
	r := must[*Run](t)(s.Start("train", "x", nil))
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e-300} {
		if err := r.Log(7, map[string]float64{"loss": v}); err != nil {
			t.Fatal(err)
		}
		m, err := r.Metrics()
		if got := m["loss"]; err != nil || len(got) != 1 || got[0].Step != 7 || got[0].Value != v && !(math.IsNaN(v) && math.IsNaN(got[0].Value)) {
			t.Errorf("%v comes back as %v: %v", v, got, err)
		}
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for step := range int64(20) {
				if err := r.Log(step, map[string]float64{string(rune('a' + i)): 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if m, _ := r.Metrics(); len(m) != 9 || len(m["a"]) != 20 {
		t.Errorf("%d curves", len(m))
	}
}

func TestValue(t *testing.T) {
	s := open(t, "")
	r := must[*Run](t)(s.Start("evaluate", "probe", nil))
	a := must[Artefact](t)(r.Value("score", "accuracy", map[string]any{"mean": 0.5}))
	got, err := s.Artefact(a.Hash)
	if err != nil || got.Meta["value"].(map[string]any)["mean"] != 0.5 {
		t.Errorf("%+v: %v", got, err)
	}
	if err := s.Verify(got); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	s := open(t, "")
	for name, want := range map[string]string{"xyz": "is no hash", "abc": "is no hash", "abcdef": "no artefact abcdef"} {
		if _, err := s.Explain(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := s.Start("", "x", nil); err == nil {
		t.Error("a run without a stage")
	}
	if _, err := s.Start("train", "x", 3); err == nil || !strings.Contains(err.Error(), "must be a struct or a map") {
		t.Errorf("a number as parameters: %v", err)
	}
	if _, err := s.Start("train", "x", nil, Artefact{Hash: "0123456789"}); err == nil || !strings.Contains(err.Error(), "note it with") {
		t.Errorf("an input that nobody knows: %v", err)
	}
	if _, err := Open(file(t, t.TempDir(), "x.sqlite", strings.Repeat("no database ", 100))); err == nil || !strings.Contains(err.Error(), "is no store of runs") {
		t.Errorf("a file that is no store: %v", err)
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{23456.7: "23457", 3.52349: "3.5235", 0: "0", 1e-4: "0.0001", 5.1e9: "5100000000", -1.5: "-1.5", 1e20: "1e+20"} {
		if got := figure(v); got != want {
			t.Errorf("figure(%g) = %s, want %s", v, got, want)
		}
	}
}
