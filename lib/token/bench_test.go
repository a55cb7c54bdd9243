package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// english and chinese are at least size bytes of prose, cut into documents of about 20 kB.
func english(t testing.TB) []string {
	data, err := os.ReadFile(shared(t, "text/tinyshakespeare/input.txt"))
	if err != nil {
		t.Fatal(err)
	}
	all := string(data)
	paths, _ := filepath.Glob(filepath.Join(filepath.Dir(shared(t, "text/paul-graham/avg.txt")), "*.txt"))
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	return documents(all)
}

func chinese(t testing.TB) []string {
	var all []string
	for _, name := range []string{"三国演义", "水浒传"} {
		data, err := os.ReadFile(shared(t, "text/four-classic-novels/"+name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, documents(string(data))...)
	}
	return all
}

// documents cuts text at line ends after every 20 kB.
func documents(text string) (docs []string) {
	for len(text) > 20_000 {
		k := strings.IndexByte(text[20_000:], '\n')
		if k < 0 {
			break
		}
		docs = append(docs, text[:20_000+k+1])
		text = text[20_000+k+1:]
	}
	return append(docs, text)
}

func totalBytes(docs []string) (n int64) {
	for _, d := range docs {
		n += int64(len(d))
	}
	return n
}

var benchModels = []struct{ name, path string }{
	{"internlm2", "tokenizers/internlm/tokenizer_internlm2.model"},
	{"llama2", "tokenizers/llama2/tokenizer.model"},
	{"cl100k", "tokenizers/tiktoken/cl100k_base.tiktoken"},
	{"o200k", "tokenizers/tiktoken/o200k_base.tiktoken"},
	{"qwen2.5", "tokenizers/qwen2.5"},
}

func BenchmarkEncode(b *testing.B) {
	for _, m := range benchModels {
		for lang, docs := range map[string][]string{"en": english(b), "zh": chinese(b)} {
			b.Run("model="+m.name+"/lang="+lang, func(b *testing.B) {
				tok := load(b, m.path)
				b.SetBytes(totalBytes(docs))
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					n = 0
					for _, d := range docs {
						ids, err := tok.Encode(d, Options{})
						if err != nil {
							b.Fatal(err)
						}
						n += len(ids)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mtok/s")
				b.ReportMetric(float64(len(docs)), "docs")
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, m := range benchModels {
		for lang, docs := range map[string][]string{"en": english(b), "zh": chinese(b)} {
			b.Run("model="+m.name+"/lang="+lang, func(b *testing.B) {
				tok := load(b, m.path)
				var ids []uint32
				for _, d := range docs {
					ids, _ = tok.AppendEncode(ids, d, Options{})
				}
				b.SetBytes(totalBytes(docs))
				b.ReportAllocs()
				for b.Loop() {
					tok.Decode(ids)
				}
			})
		}
	}
}
