package clean

import (
	"strings"
	"testing"
)

func TestFindPII(t *testing.T) {
	key := "q7Zk2Vx9Lm4Tn8Wb3Yc6Rd1Pf5Gh0JsAeUiO" // random: 36 characters
	for _, c := range []struct{ kind, text, want string }{
		{Email, "Write to jane.doe+news@mail.example.co.uk.", "jane.doe+news@mail.example.co.uk"},
		{Email, "联系user_1@qq.com或电话", "user_1@qq.com"},
		{Email, "not an address: a@b, @home, foo@bar., x@1.2", ""},
		{IPAddress, "from 8.8.8.8, via", "8.8.8.8"},
		{IPAddress, "private 192.168.1.1, 10.0.0.1, 127.0.0.1, 203.0.113.5; version 1.2.3.4.5; 999.1.1.1; v8.8.8.8", ""},
		{IPAddress, "[2606:4700:4700::1111]:53", "2606:4700:4700::1111"},
		{IPAddress, "fe80::1, ::1, fd00::1, 2001:db8::1, std::vector, 12:30:45, abcd:12::", ""},
		{IPAddress, "RFC 2616, Section 4.2.1.3 and §3.1.2.1, version 8.4.1.2; 第 3.1.2.1 节", ""},
		{Phone, "Call +1 (415) 867-5309 now", "+1 (415) 867-5309"},
		{Phone, "Call (415) 867-5309 now", "(415) 867-5309"},
		{Phone, "Call 415-867-5309.", "415-867-5309"},
		{Phone, "call +44 20 7946 0958", "+44 20 7946 0958"},
		{Phone, "手机13812345678，", "13812345678"},
		{Phone, "手机：138-1234-5678", "138-1234-5678"},
		{Phone, "86 138 1234 5678", "86 138 1234 5678"},
		{Phone, "电话 010-62781234", "010-62781234"},
		{Phone, "on 2019-03-12 at 10:30, 1234567890, 12812345678, 123-456-7890, 3.14159265358, ISBN 978-3-16-148410-0, id 4158675309", ""},
		{ChineseID, "身份证11010519491231002X。", "11010519491231002X"},
		{ChineseID, "身份证440308199901101512", "440308199901101512"},
		{ChineseID, "110105194912310021 and 440308199913101512 and 000000000000000000", ""},
		{BankCard, "card 4111 1111 1111 1111 exp", "4111 1111 1111 1111"},
		{BankCard, "card 378282246310005", "378282246310005"},
		{BankCard, "银联6222 0200 0000 0000 001", ""},
		{BankCard, "4111 1111 1111 1112, 1234567890123452", ""},
		{Secret, "AWS AKIAIOSFODNN7EXAMPLE here", "AKIAIOSFODNN7EXAMPLE"},
		{Secret, "ghp_" + key + ".", "ghp_" + key},
		{Secret, "a sk-" + key, "sk-" + key},
		{Secret, `api_key = "` + key + `"`, key},
		{Secret, "DB_PASSWORD: '9fK2xQ7z'", "9fK2xQ7z"},
		{Secret, "token=" + key + "&x=1", key},
		{Secret, "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"},
		{Secret, "password: \"password\", token = nextToken(text), sk-learn, ghp_short, secret: the treasure of the island, key = " + key, ""},
		{Secret, "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", ""},
	} {
		var got []string
		for f := range FindPII(c.text) {
			if f.Kind == c.kind || c.want == "" {
				got = append(got, c.text[f.Start:f.End])
			}
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s in %q: %q, want %q", c.kind, c.text, got, c.want)
		}
	}
}

func TestMask(t *testing.T) {
	in := "a@b.com, c@d.org and e@f.net at 8.8.8.8 and 1.1.1.1, 13812345678"
	want := "email@example.com, firstname.lastname@example.org and email@example.com at 22.214.171.124 and 126.96.36.199, +1 555-0100"
	if got := Mask(in); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Mask(want); got != want {
		t.Errorf("masked again: %q", got)
	}
	if plain := "Nothing to hide in 2024."; Mask(plain) != plain {
		t.Errorf("%q is masked: %q", plain, Mask(plain))
	}
}

// Findings are in order, within the text, and what is masked stays masked.
func FuzzPII(f *testing.F) {
	f.Add("a@b.com +1 (415) 867-5309 4111 1111 1111 1111 2606:4700::1111 token=abcdefgh12345678")
	f.Add("(0755) 1234567 11010519491231002X -----BEGIN x PRIVATE KEY-----\n-----END -----")
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for found := range FindPII(text) {
			if found.Start < end || found.End <= found.Start || found.End > len(text) {
				t.Fatalf("%+v in %q behind %d", found, text, end)
			}
			end = found.End
		}
		Mask(text)
	})
}

func BenchmarkMask(b *testing.B) {
	for name, docs := range benchmarkTexts(b) {
		b.Run("text="+name, func(b *testing.B) {
			b.SetBytes(int64(4000 * len(docs)))
			n := 0
			for b.Loop() {
				n = 0
				for _, d := range docs {
					for range FindPII(d) {
						n++
					}
				}
			}
			b.ReportMetric(float64(n), "findings")
		})
	}
}
