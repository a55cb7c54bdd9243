package clean

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
)

func TestC4Lines(t *testing.T) {
	text := "Home | About\n\nThe cat sat on the mat.[1] It was warm.[edit]\r\nNo end of sentence\nToo short.\nTrailing off into nothing...\n" +
		"Please enable JavaScript to read this page.\n\nBy using this site you agree to our terms of use.\n“A cat sat there!”\n" + strings.Repeat("x", 1001) + " and two more words.\n语料要先清洗，再去重。\n"
	want := "The cat sat on the mat. It was warm.\n\n“A cat sat there!”\n语料要先清洗，再去重。"
	if got := C4Lines(text); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := C4Lines(want); got != want {
		t.Errorf("filtered again: %q", got)
	}
}

func TestContentLines(t *testing.T) {
	for _, keep := range []string{
		"We sat in the home of a friend.", "Share this bread with me, she said.", "The copyright law of 1976 reserved many rights.",
		"A | B", "Follow the river to the sea.", "***", "他返回首页的时候，网站已经关闭。", "a · b · c is the product of three numbers.",
	} {
		if ContentLines(keep) != keep {
			t.Errorf("%q is dropped", keep)
		}
	}
	for _, drop := range []string{
		"Home | News | Sport | Weather", "© 2024 The Company", "Copyright © 2019 Someone. All rights reserved.", "» Read more", "Share this article", "[ 返回顶部 ]",
		"上一篇：没有了", "京ICP备12345678号-1", "Your email address will not be published. Required fields are marked *", "=====", "首页 > 新闻 | 体育 | 财经",
	} {
		if got := ContentLines("before\n" + drop + "\nafter"); got != "before\nafter" {
			t.Errorf("%q is kept: %q", drop, got)
		}
	}
}

func TestRepair(t *testing.T) {
	for in, want := range map[string]string{
		"plain text\n":                 "plain text\n",
		"donâ€™t":                      "don’t",
		"cafÃ© crÃ¨me":                 "café crème",
		"Â£5 and 20Â°":                 "£5 and 20°",
		"Ð¿Ñ€Ð¸Ð²ÐµÑ‚":                 "привет",
		"è¯\u00adæ–™":                  "语料",
		"ðŸ˜€":                         "😀",
		"voilà\u00a0» dit-il":          "voilà\u00a0» dit-il",
		"„Spaß“ und MENÜ“":             "„Spaß“ und MENÜ“",
		"MAÇÃ”":                        "MAÇÃ”",
		"naïve Ångström façade":        "naïve Ångström façade",
		"a\r\nb\rc\u2028d\u0085e":      "a\nb\nc\nd\ne",
		"\ufeffx\x00y\u200bz\u00adw\a": "xyzw",
		"می\u200cخواهم 👩‍👧":            "می\u200cخواهم 👩‍👧",
		"bad \xff byte":                "bad \uFFFD byte",
	} {
		if got := Repair(in); got != want {
			t.Errorf("Repair(%q) = %q, want %q", in, got, want)
		}
	}
	if got := NFC("e\u0301 ﬁ"); got != "é ﬁ" {
		t.Errorf("NFC: %q", got)
	}
	if got := NFKC("ﬁ Ａ①"); got != "fi A1" {
		t.Errorf("NFKC: %q", got)
	}
}

// A text that was damaged once or twice by reading UTF-8 as Windows-1252 comes back.
func TestRepairUndoesDamage(t *testing.T) {
	for _, text := range []string{"It’s “quoted” — and naïve…", "Größe überall, señor, garçon", "Добрый день, мир", "語料と日本語", "Ωραία μέρα"} {
		damaged := text
		for times := 1; times <= 2; times++ {
			var b strings.Builder
			for _, c := range []byte(damaged) {
				if r := charmap.Windows1252.DecodeByte(c); r != '\uFFFD' {
					b.WriteRune(r)
				} else {
					b.WriteRune(rune(c))
				}
			}
			damaged = b.String()
			if got := Repair(damaged); got != text {
				t.Errorf("%q, damaged %d times to %q, is repaired to %q", text, times, damaged, got)
			}
		}
	}
}

func FuzzRepair(f *testing.F) {
	f.Add("donâ€™t Ã©\r\n\x00")
	f.Add("\xff\xc3Â")
	f.Fuzz(func(t *testing.T, text string) {
		got := Repair(text)
		if strings.ContainsAny(got, "\r\x00\ufeff") {
			t.Errorf("Repair(%q) = %q", text, got)
		}
		_ = ContentLines(C4Lines(text))
	})
}
