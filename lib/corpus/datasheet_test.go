package corpus

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// build reads one JSONL text into a corpus.
func build(t testing.TB, jsonl string) *Corpus {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in.jsonl"), []byte(jsonl))
	c, im, err := Build(t.Context(), filepath.Join(dir, "in.arrow"), Fields{}, filepath.Join(dir, "in.jsonl"))
	if err != nil || im.Bad > 0 {
		t.Fatal(err, im.First)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDatasheet(t *testing.T) {
	c := build(t, `{"id":"a/1","text":"four","lang":"en","license":"CC0"}
{"id":"a/2","text":"vier!","lang":"de","license":"CC0"}
{"id":"b/1","text":"four and four","lang":"en","deep":{"license":"MIT"}}
{"id":"b/2","text":"","lang":"<i>"}
`)
	d, err := c.Datasheet(t.Context(), DatasheetConfig{
		Name:  "numbers",
		Part:  func(d Document) string { return d.ID[:1] },
		Count: func(text string) (int, error) { return len(strings.Fields(text)), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"numbers","documents":4,"bytes":22,"tokens":5,"empty":1,` +
		`"parts":[{"name":"b","documents":2,"bytes":13,"tokens":3,"share":0.5909090909090909},{"name":"a","documents":2,"bytes":9,"tokens":2,"share":0.4090909090909091}],` +
		`"languages":[{"name":"en","documents":2,"bytes":17,"tokens":4,"share":0.7727272727272727},{"name":"de","documents":1,"bytes":5,"tokens":1,"share":0.22727272727272727},{"name":"\u003ci\u003e","documents":1,"bytes":0,"share":0}],` +
		`"licences":[{"name":"","documents":2,"bytes":13,"tokens":3,"share":0.5909090909090909},{"name":"CC0","documents":2,"bytes":9,"tokens":2,"share":0.4090909090909091}]}`
	if string(got) != want {
		t.Errorf("datasheet\n%s, want\n%s", got, want)
	}
	guessed, err := c.Datasheet(t.Context(), DatasheetConfig{Detect: func(text string) string { return "xx" },
		Language: func(b Batch, i int) string { return strings.TrimSuffix(b.Doc(i).ID, "a/1") }})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range guessed.Languages {
		if l.Name == "xx" && (l.Documents != 1 || l.Bytes != 4) || l.Name == "" || l.Name == "a/1" {
			t.Errorf("a language is guessed where none is known, and only there: %+v", guessed.Languages)
		}
	}
	page := d.MIMEBundle()["text/html"].(string)
	if strings.Contains(page, "<i>") || !strings.Contains(page, "77.27 %") {
		t.Errorf("page %s", page)
	}
}
