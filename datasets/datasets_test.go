package datasets_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"quire/datasets"
	"quire/datasets/alpaca"
	"quire/datasets/arith"
	"quire/datasets/c4"
	"quire/datasets/ceval"
	"quire/datasets/cmmlu"
	"quire/datasets/fineweb"
	"quire/datasets/gosrc"
	"quire/datasets/gsm8k"
	"quire/datasets/hellaswag"
	"quire/datasets/humaneval"
	"quire/datasets/mmlu"
	"quire/datasets/tinystories"
	"quire/datasets/wanjuan"
	"quire/datasets/wikitext"
	"quire/lib/chat"
)

// shared is a file of the samples, or the test is skipped.
func shared(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no ../shared/data/%s", name)
	}
	return path
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// collect gathers what a loader yields; errors by their text.
func collect[T any](seq iter.Seq2[T, error]) (list []T, errs []string) {
	for v, err := range seq {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		list = append(list, v)
	}
	return list, errs
}

func none(t *testing.T, errs []string) {
	t.Helper()
	if len(errs) > 0 {
		t.Errorf("%d errors: %q", len(errs), errs[:min(3, len(errs))])
	}
}

func oneError(t *testing.T, errs []string, want string) {
	t.Helper()
	if len(errs) != 1 || !strings.Contains(errs[0], want) {
		t.Errorf("errors %q, want one with %q", errs, want)
	}
}

var ctx = context.Background()

func TestCards(t *testing.T) {
	for _, c := range []datasets.Card{alpaca.Card, arith.Card, c4.Card, ceval.Card, cmmlu.Card, fineweb.Card, gosrc.Card, gsm8k.Card, hellaswag.Card,
		humaneval.Card, mmlu.Card, tinystories.Card, wanjuan.Card, wikitext.Card} {
		if c.Name == "" || c.Title == "" || c.Licence == "" || c.Source == "" || c.Splits == "" || len(c.Languages) == 0 {
			t.Errorf("%s: something is not known: %+v", c.Name, c)
		}
		for _, f := range c.Files {
			if len(f.SHA256) != 64 || strings.Trim(f.SHA256, "0123456789abcdef") != "" {
				t.Errorf("%s: %s: SHA-256 %q", c.Name, f.Name, f.SHA256)
			}
		}
		if md := fmt.Sprint(c.MIMEBundle()["text/markdown"]); !strings.Contains(md, c.Title) {
			t.Errorf("%s shows as %s", c.Name, md)
		}
	}
}

func TestGSM8K(t *testing.T) {
	path := shared(t, "eval/gsm8k/test.jsonl")
	if err := gsm8k.Card.Files[1].Verify(path); err != nil {
		t.Error(err)
	}
	if err := gsm8k.Card.Files[0].Verify(path); err == nil || !strings.Contains(err.Error(), "download it again") {
		t.Errorf("the wrong file: %v", err)
	}
	all, errs := collect(gsm8k.Read(ctx, path))
	none(t, errs)
	if len(all) != 1319 || all[0].Answer != "18" || strings.Contains(gsm8k.Plain(all[0].Solution), "<<") {
		t.Errorf("%d problems, first %+v", len(all), all[0])
	}
	_, errs = collect(gsm8k.Read(ctx, write(t, t.TempDir(), "x.jsonl", `{"question":"q","answer":"18"}`+"\n")))
	oneError(t, errs, "x.jsonl:1: the answer has no line")
}

func TestHumanEval(t *testing.T) {
	path := shared(t, "eval/humaneval/HumanEval.jsonl.gz")
	if err := humaneval.Card.Files[0].Verify(path); err != nil {
		t.Error(err)
	}
	all, errs := collect(humaneval.Read(ctx, path))
	none(t, errs)
	if len(all) != 164 || all[0].ID != "HumanEval/0" || all[0].EntryPoint != "has_close_elements" ||
		!strings.HasSuffix(all[0].Program("    pass"), "check(has_close_elements)\n") {
		t.Errorf("%d tasks, first %+v", len(all), all[0])
	}
}

func TestHellaSwag(t *testing.T) {
	all, errs := collect(hellaswag.ReadText(shared(t, "eval/hellaswag/hellaswag_val_full.txt.bz2")))
	none(t, errs)
	if len(all) != 10042 || all[0].Subject != "Roof shingle removal" || all[0].Answer != 3 || len(all[0].Choices) != 4 {
		t.Errorf("%d questions, first %+v", len(all), all[0])
	}
}

func TestHellaSwagJSON(t *testing.T) {
	path := write(t, t.TempDir(), "v.jsonl", `{"ind": 24, "activity_label": "Roof", "ctx": "A man is", "endings": ["a", "b", "c", "d"], "label": 3}
{"ind": 25, "activity_label": "Roof", "ctx": "A man", "endings": ["a", "b", "c", "d"], "label": ""}
{"ind": 26, "activity_label": "Roof", "ctx": "A man", "endings": ["a", "b", "c", "d"], "label": "4"}
`)
	all, errs := collect(hellaswag.Read(ctx, path))
	oneError(t, errs, "v.jsonl:3: label 4 of 4 endings")
	if len(all) != 2 || all[0].Answer != 3 || all[0].ID != "24" || all[1].Answer != -1 {
		t.Errorf("%+v", all)
	}
	_, errs = collect(hellaswag.ReadText(write(t, t.TempDir(), "v.txt", "X: a\n9\n1\n2\n3\n4\nrest\n")))
	if len(errs) != 2 || !strings.Contains(errs[0], `v.txt:2: the right ending is "9"`) || !strings.Contains(errs[1], "1 of a question's 6 lines") {
		t.Errorf("errors %q", errs)
	}
}

func TestMMLU(t *testing.T) {
	const rows = "\"Find, x\",1,2,3,4,B\nshort,1\nWhat?,a,b,c,d,E?\nLast,w,x,y,z,D\n"
	dir := t.TempDir()
	write(t, dir, "data/test/abstract_algebra_test.csv", rows)
	write(t, dir, "data/dev/abstract_algebra_dev.csv", "dev,1,2,3,4,A\n")
	write(t, dir, "data/README.txt", "not a question")
	all, errs := collect(mmlu.Read(ctx, "test", filepath.Join(dir, "data")))
	if len(errs) != 2 || !strings.Contains(errs[0], "record 2 has 2 fields") || !strings.Contains(errs[1], `record 3: answer "E?"`) {
		t.Errorf("errors %q", errs)
	}
	want := datasets.Question{ID: "test/abstract_algebra/1", Subject: "abstract_algebra", Text: "Find, x", Choices: []string{"1", "2", "3", "4"}, Answer: 1}
	if len(all) != 2 || !reflect.DeepEqual(all[0], want) {
		t.Errorf("%+v", all)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"data/test/abstract_algebra_test.csv", "data/val/abstract_algebra_val.csv"} {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(rows)), Typeflag: tar.TypeReg})
		w.Write([]byte(rows))
	}
	w.Close()
	fromTar, _ := collect(mmlu.Read(ctx, "", write(t, dir, "data.tar", b.String())))
	if len(fromTar) != 4 || !reflect.DeepEqual(fromTar[:2], all) {
		t.Errorf("from the archive %+v", fromTar)
	}
	records, errs := collect(mmlu.Read(ctx, "test", write(t, dir, "hub/test-00000.jsonl", `{"question":"Q","subject":"s","choices":["a","b","c","d"],"answer":2}`+"\n")))
	none(t, errs)
	if len(records) != 1 || records[0].Answer != 2 || records[0].Subject != "s" {
		t.Errorf("%+v", records)
	}
}

func TestCEvalAndCMMLU(t *testing.T) {
	dir := t.TempDir()
	all, errs := collect(ceval.Read(ctx, write(t, dir, "val/accountant_val.csv", "id,question,A,B,C,D,answer\n0,下列____,甲,乙,丙,丁,C\n1,问,甲,乙,丙,丁,F\n"),
		write(t, dir, "test/law_test.csv", "id,question,A,B,C,D\n0,问,甲,乙,丙,丁\n")))
	oneError(t, errs, `accountant_val.csv:3: answer "F" of 4 choices`)
	want := datasets.Question{ID: "accountant/0", Subject: "accountant", Text: "下列____", Choices: []string{"甲", "乙", "丙", "丁"}, Answer: 2}
	if len(all) != 2 || !reflect.DeepEqual(all[0], want) || all[1].Answer != -1 || all[1].Subject != "law" {
		t.Errorf("%+v", all)
	}
	all, errs = collect(cmmlu.Read(ctx, write(t, dir, "test/agronomy.csv", ",Question,A,B,C,D,Answer\n0,在农业中,甲,乙,丙,丁,B\n")))
	none(t, errs)
	if len(all) != 1 || all[0].Answer != 1 || all[0].Subject != "agronomy" || all[0].Choices[3] != "丁" || !strings.HasSuffix(all[0].ID, "agronomy.csv:2") {
		t.Errorf("%+v", all)
	}
}

func TestAlpaca(t *testing.T) {
	all, errs := collect(alpaca.Read(ctx, shared(t, "sft/llama-factory/alpaca_en_demo.json")))
	none(t, errs)
	if len(all) < 900 || len(all[0].Messages) != 2 || all[0].Messages[1].Role != chat.Assistant {
		t.Errorf("%d dialogues, first %+v", len(all), all[0])
	}
}

func TestAlpacaFields(t *testing.T) {
	path := write(t, t.TempDir(), "a.json", `[{"instruction":"Add","input":"1 2","output":"3","system":"s","history":[["a","b"]]},{"instruction":"x","output":""}]`)
	all, errs := collect(alpaca.Read(ctx, path))
	oneError(t, errs, "no instruction or no output")
	if len(all) != 1 || len(all[0].Messages) != 5 || all[0].Messages[3].Content != "Add\n1 2" {
		t.Errorf("%+v", all)
	}
}

func TestWanJuan(t *testing.T) {
	dir := t.TempDir()
	texts, errs := collect(wanjuan.Texts(ctx, write(t, dir, "part.jsonl", `{"id":"BkQ","content":"你好"}`+"\nbroken\n")))
	oneError(t, errs, "part.jsonl:2")
	if len(texts) != 1 || texts[0].ID != "BkQ" {
		t.Errorf("%+v", texts)
	}
	images, errs := collect(wanjuan.ImageTexts(ctx, write(t, dir, "it.jsonl", `{"id":"a","img_list":[{"url":"http://x/1.jpg","sha256":"00","caption":"c","width":"3","height":"4"}],"content":"# T\n![](http://x/1.jpg)"}
{"id":"b","img_list":[{"url":"http://x/2.jpg"}],"content":"no picture"}
`)))
	oneError(t, errs, "document b does not show its picture")
	if len(images) != 1 || images[0].Images[0].Width != "3" {
		t.Errorf("%+v", images)
	}
	exams, errs := collect(wanjuan.Exams(ctx, write(t, dir, "exam.jsonl", `{"id":"e","q_main":"1+1=?","option_a":"1","option_b":"2","option_c":"3","option_d":"4","std_ans":"B","answer_detail":"二","grade":"小学","major":"数学","keypoint":"加法","q_type":"选择题"}
{"id":"f","q_main":"写作","std_ans":"略"}
`)))
	none(t, errs)
	if len(exams) != 2 || exams[0].Answer != 1 || exams[0].Subject != "数学" || exams[1].Choices != nil || exams[1].Answer != -1 || exams[1].StdAnswer != "略" {
		t.Errorf("%+v", exams)
	}
}

func TestWebTexts(t *testing.T) {
	docs, errs := collect(c4.Read(ctx, shared(t, "sft/llama-factory/c4_demo.jsonl")))
	none(t, errs)
	if len(docs) < 100 || docs[0].Text == "" {
		t.Errorf("%d documents", len(docs))
	}
	path := write(t, t.TempDir(), "f.jsonl", `{"text":"t","id":"<urn:1>","dump":"CC-MAIN-2024-10","url":"http://a","date":"2024","file_path":"s3","language":"en","language_score":0.9,"token_count":7}`+"\n")
	pages, errs := collect(fineweb.Pages(ctx, path))
	none(t, errs)
	if len(pages) != 1 || pages[0].ID != "<urn:1>" || pages[0].Fields.TokenCount != 7 || pages[0].Fields.LanguageScore != 0.9 {
		t.Errorf("%+v", pages)
	}
	if docs, _ := collect(fineweb.Read(ctx, path)); len(docs) != 1 || docs[0].ID != "<urn:1>" {
		t.Errorf("%+v", docs)
	}
}

func TestWikiText(t *testing.T) {
	const raw = " \n = Valkyria Chronicles III = \n \n Senjō no Valkyria 3 \n = not a title = \n \n = = Gameplay = = \n \n As with \n \n = Tower = \n \n A tower \n"
	docs, errs := collect(wikitext.Read(ctx, write(t, t.TempDir(), "wiki.test.raw", raw)))
	none(t, errs)
	if len(docs) != 2 || docs[0].ID != "Valkyria Chronicles III" || docs[1].ID != "Tower" || !strings.Contains(docs[0].Text, "= = Gameplay = =") || !strings.Contains(docs[0].Text, "not a title") {
		t.Errorf("%+v", docs)
	}
	var rows strings.Builder
	for line := range strings.Lines(raw) {
		fmt.Fprintf(&rows, "{\"text\":%q}\n", strings.TrimPrefix(strings.TrimSuffix(line, "\n"), " "))
	}
	again, errs := collect(wikitext.Read(ctx, write(t, t.TempDir(), "rows.jsonl", rows.String())))
	none(t, errs)
	if len(again) != 2 || again[1].ID != "Tower" {
		t.Errorf("%+v", again)
	}
}

func TestTinyStories(t *testing.T) {
	dir := t.TempDir()
	docs, errs := collect(tinystories.Read(ctx, write(t, dir, "v.txt", "\nOnce.\n<|endoftext|>\n\n<|endoftext|>Twice.\n\nEnd."),
		write(t, dir, "v.json", `[{"story":"Thrice.","source":"GPT-4"}]`)))
	none(t, errs)
	var texts []string
	for _, d := range docs {
		texts = append(texts, d.Text)
	}
	if want := []string{"Once.", "Twice.\n\nEnd.", "Thrice."}; !reflect.DeepEqual(texts, want) {
		t.Errorf("got %q", texts)
	}
	_, errs = collect(tinystories.Read(ctx, write(t, dir, "huge.txt", strings.Repeat("a", 5<<20))))
	oneError(t, errs, "stories end with")
}
