package clean

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var wordRun = regexp.MustCompile(`[\p{L}\p{N}_]+`)

// overlap compares two texts as the article extraction benchmark does: the multisets of their sequences of four words, as shares of
// their union that are in both, in the found one alone and in the true one alone.
func overlap(want, got string) (both, found, missed float64) {
	count := func(text string) map[string]int {
		words := wordRun.FindAllString(text, -1)
		grams := map[string]int{}
		for i := range max(1, len(words)-3) {
			if g := words[min(i, len(words)):min(i+4, len(words))]; len(g) > 0 {
				grams[strings.Join(g, " ")]++
			}
		}
		return grams
	}
	w, g := count(want), count(got)
	for key, n := range w {
		both += float64(min(n, g[key]))
		missed += float64(max(0, n-g[key]))
	}
	for key, n := range g {
		found += float64(max(0, n-w[key]))
	}
	if sum := both + found + missed; sum > 0 {
		both, found, missed = both/sum, found/sum, missed/sum
	}
	return both, found, missed
}

// extraction sums up the benchmark: means over the pages, and F1 of the means.
type extraction struct{ precision, recall, f1 float64 }

func scoreExtraction(want, got map[string]string) (e extraction) {
	precise, recalled := 0, 0
	for id, text := range want {
		both, found, missed := overlap(text, got[id])
		if both+found > 0 {
			precise++
			e.precision += both / (both + found)
		}
		if both+missed > 0 {
			recalled++
			e.recall += both / (both + missed)
		}
	}
	e.precision /= float64(precise)
	e.recall /= float64(recalled)
	e.f1 = 2 * e.precision * e.recall / (e.precision + e.recall)
	return e
}

func (e extraction) String() string {
	return fmt.Sprintf("F1 %.4f  precision %.4f  recall %.4f", e.f1, e.precision, e.recall)
}

// articles reads a file of the benchmark: texts by page.
func articles(t testing.TB, path string) map[string]string {
	src, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no %s", filepath.Base(path))
	}
	type page struct {
		Body string `json:"articleBody"`
	}
	var wrapped struct {
		Output map[string]page `json:"output"`
	}
	var pages map[string]page
	if json.Unmarshal(src, &wrapped) == nil && wrapped.Output != nil {
		pages = wrapped.Output
	} else if err := json.Unmarshal(src, &pages); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for id, p := range pages {
		texts[id] = p.Body
	}
	return texts
}

// pageSource reads a page of the benchmark.
func pageSource(t testing.TB, root, id string) string {
	f, err := os.Open(filepath.Join(root, "html", id+".html.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	src, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

func TestArticleExtractionBenchmark(t *testing.T) {
	root := filepath.Join(shared(t), "data/web/article-extraction-benchmark")
	want := articles(t, filepath.Join(root, "ground-truth.json"))
	for _, peer := range []string{"trafilatura", "go_trafilatura", "go_readability"} {
		e := scoreExtraction(want, articles(t, filepath.Join(root, "output", peer+".json")))
		t.Logf("%-15s %s", peer, e)
		if peer == "trafilatura" && (math.Abs(e.f1-0.958) > 0.001 || math.Abs(e.precision-0.938) > 0.001 || math.Abs(e.recall-0.978) > 0.001) {
			t.Errorf("the scorer gives trafilatura %s; the benchmark's own: 0.958, 0.938, 0.978", e)
		}
	}
	got := map[string]string{}
	for id := range want {
		_, got[id], _ = MainText(pageSource(t, root, id))
	}
	e := scoreExtraction(want, got)
	t.Logf("%-15s %s  (%d pages)", "MainText", e, len(want))
	if e.f1 < 0.965 {
		t.Errorf("F1 %.4f", e.f1)
	}
}

const paragraph = "The expedition left the harbour at dawn, with forty men, two dogs, and provisions for three months on the ice."

func TestMainText(t *testing.T) {
	two := paragraph + "\n\n" + paragraph
	body := "<p>" + paragraph + "</p>\n<p>" + paragraph + "</p>"
	for name, c := range map[string]struct{ page, title, text string }{
		"frame":                  {`<title>North - The Daily</title><nav><a href=/>Home</a></nav><div class=content><h1>North</h1>` + body + `</div><aside><p>` + paragraph + `</p></aside><footer>© 2020</footer>`, "North", two},
		"open graph title":       {`<meta property="og:title" content="To the  North"><h1>x</h1>` + body, "To the North", two},
		"comments":               {`<article>` + body + `</article><div id="comments"><p>First!</p><p>` + paragraph + `</p></div>`, "", two},
		"links and captions":     {body + `<ul><li><a href=1>More about dogs</a></li></ul><figure><figcaption>A dog.</figcaption></figure>`, "", two},
		"inline elements":        {`<p>The <b>expe</b>dition <a href=x>left</a>` + strings.TrimPrefix(paragraph, "The expedition left") + `</p>`, "", paragraph},
		"no paragraphs":          {`<div>` + paragraph + `<br><br>` + paragraph + `</div>`, "", two},
		"a form around the page": {`<form>` + body + `</form>`, "", two},
		"headings stay":          {body + `<h2>The ice</h2>` + body + `<h2>Related</h2>`, "", two + "\n\nThe ice\n\n" + two},
		"told in JSON-LD":        {`<script type="application/ld+json">{"@graph":[{"articleBody":"` + paragraph + `\n` + paragraph + `"}]}</script><p>Please subscribe to read on.</p>`, "", two},
		"code stays as it is":    {body + "<pre><code>if x {\n\treturn\n}</code></pre>" + body, "", two + "\n\nif x {\n\treturn\n}\n\n" + two},
		"scripts":                {`<script>var x = "` + paragraph + `"</script>` + body, "", two},
	} {
		title, text, ok := MainText(c.page)
		if title != c.title || text != c.text || !ok {
			t.Errorf("%s: %v, title %q, text\n%s", name, ok, title, text)
		}
	}
	for name, page := range map[string]string{"empty": "", "links": `<ul><li><a href=1>` + paragraph + `</a></ul>`, "short": "<p>Not found.</p>", "no page": "\x00\xff<<<"} {
		if _, text, ok := MainText(page); ok || text != "" {
			t.Errorf("%s has the main text %q", name, text)
		}
	}
}

func FuzzMainText(f *testing.F) {
	f.Add("<p>a<br><br>b<table><tr><td>" + paragraph)
	f.Add(`<script type="application/ld+json">{"articleBody":"<p>x"}</script><pre> a </pre>`)
	f.Fuzz(func(t *testing.T, page string) {
		if _, text, ok := MainText(page); ok != (text != "") {
			t.Errorf("ok is %v with %q", ok, text)
		}
	})
}

func BenchmarkMainText(b *testing.B) {
	root := filepath.Join(shared(b), "data/web/article-extraction-benchmark")
	var pages []string
	bytes := 0
	for _, id := range slices.Sorted(maps.Keys(articles(b, filepath.Join(root, "ground-truth.json")))) {
		if pages = append(pages, pageSource(b, root, id)); len(pages) == 20 {
			break
		}
	}
	for _, p := range pages {
		bytes += len(p)
	}
	b.SetBytes(int64(bytes))
	for b.Loop() {
		for _, p := range pages {
			MainText(p)
		}
	}
	b.ReportMetric(float64(b.N*len(pages))/b.Elapsed().Seconds(), "pages/s")
}
