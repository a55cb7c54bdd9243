package clean

import (
	"math"
	"strings"
)

// secretPrefixes are what services begin their keys and tokens with, and how many characters of the alphabet follow.
var secretPrefixes = []struct {
	prefix   string
	min, max int
}{
	{"AKIA", 16, 16}, {"ASIA", 16, 16}, // Amazon
	{"AIza", 35, 35}, {"ya29.", 30, 1000}, // Google
	{"LTAI", 12, 26}, {"AKID", 32, 36}, // Aliyun, Tencent Cloud
	{"ghp_", 36, 255}, {"gho_", 36, 255}, {"ghu_", 36, 255}, {"ghs_", 36, 255}, {"ghr_", 36, 255}, {"github_pat_", 40, 255},
	{"glpat-", 20, 64}, {"dop_v1_", 64, 64},
	{"xoxb-", 20, 255}, {"xoxp-", 20, 255}, {"xoxa-", 20, 255}, {"xoxs-", 20, 255}, // Slack
	{"sk-", 20, 255}, {"sk_live_", 16, 255}, {"rk_live_", 16, 255}, // OpenAI, Anthropic, Stripe
	{"hf_", 30, 64}, {"npm_", 36, 36}, {"pypi-", 60, 255}, {"SG.", 40, 100},
	{"eyJ", 30, 4000},            // JSON Web Tokens
	{"-----BEGIN ", 0, 64 << 10}, // private keys
}

// minKeyBits is the entropy in bits a character from which a value looks random: words and names have less.
const minKeyBits = 3.0

// keyAt finds a key or token that begins at text[i] as its service's do.
func keyAt(text string, i int) (Finding, bool) {
	rest := text[i:]
	for _, k := range secretPrefixes {
		if rest[0] != k.prefix[0] || !strings.HasPrefix(rest, k.prefix) {
			continue
		}
		switch k.prefix {
		case "-----BEGIN ":
			return privateKeyAt(text, i, k.max)
		case "eyJ":
			if n := tokenLen(rest, "."); strings.Count(rest[:n], ".") == 2 && n >= k.min && n <= k.max && strings.Contains(rest[:n], ".eyJ") {
				return Finding{Secret, i, i + n}, true
			}
			continue
		}
		extra := ""
		if strings.HasSuffix(k.prefix, ".") {
			extra = "."
		}
		n := tokenLen(rest[len(k.prefix):], extra)
		if value := rest[len(k.prefix) : len(k.prefix)+n]; n >= k.min && n <= k.max && entropy(value) >= minKeyBits && strings.ContainsAny(value, "0123456789") {
			return Finding{Secret, i, i + len(k.prefix) + n}, true
		}
	}
	return Finding{}, false
}

// tokenLen returns how many characters of base64's two alphabets, and of extra, s begins with; a dot that ends a sentence is none.
func tokenLen(s, extra string) int {
	n := 0
	for n < len(s) && (isAlnum(s[n]) && s[n] < 0x80 || s[n] == '_' || s[n] == '-' || strings.IndexByte(extra, s[n]) >= 0) {
		n++
	}
	for n > 0 && s[n-1] == '.' {
		n--
	}
	return n
}

// privateKeyAt finds a block of PEM that holds a private key.
func privateKeyAt(text string, i, max int) (Finding, bool) {
	rest := text[i:min(len(text), i+max)]
	head := strings.IndexByte(rest, '\n')
	if head < 0 || !strings.Contains(rest[:head], "PRIVATE KEY") {
		return Finding{}, false
	}
	end := strings.Index(rest, "-----END ")
	if end < 0 {
		return Finding{}, false
	}
	end += len("-----END ")
	tail := strings.Index(rest[end:], "-----")
	if tail < 0 {
		return Finding{}, false
	}
	return Finding{Secret, i, i + end + tail + len("-----")}, true
}

// secretNames are parts of the names of variables and settings that hold secrets.
var secretNames = []string{"password", "passwd", "pwd", "secret", "token", "apikey", "api_key", "api-key", "access_key", "accesskey", "private_key", "auth_key", "密码", "密钥"}

// assignedAt finds a random value that the : or = at text[i] gives to a name that calls it secret; before text[from] it looks at
// nothing.
func assignedAt(text string, i, from int) (Finding, bool) {
	end := i
	for end > from && (text[end-1] == ' ' || text[end-1] == ':' || text[end-1] == '"' || text[end-1] == '\'') {
		end--
	}
	start := end
	for start > from && end-start < 40 && (isAlnum(text[start-1]) || text[start-1] == '_' || text[start-1] == '-' || text[start-1] >= 0x80) {
		start--
	}
	if !secretName(strings.ToLower(text[start:end])) {
		return Finding{}, false
	}
	at := i + 1
	for at < len(text) && at < i+4 && (text[at] == ' ' || text[at] == '=') {
		at++
	}
	if at == len(text) {
		return Finding{}, false
	}
	least := 16
	n := 0
	if q := text[at]; q == '"' || q == '\'' || q == '`' {
		at++
		least = 8
		if n = strings.IndexByte(text[at:], q); n < 0 || strings.ContainsAny(text[at:at+n], " \n\t") {
			return Finding{}, false
		}
	} else {
		n = tokenLen(text[at:], "+/=")
	}
	value := text[at : at+n]
	if n < least || n > 1000 || !random(value) {
		return Finding{}, false
	}
	return Finding{Secret, at, at + n}, true
}

func secretName(name string) bool {
	for _, s := range secretNames {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// random reports whether a value looks drawn by chance: letters and digits mixed, few of them twice.
func random(s string) bool {
	return strings.ContainsAny(s, "0123456789") && strings.ContainsFunc(s, func(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }) &&
		entropy(s) >= min(minKeyBits, 0.85*math.Log2(float64(len(s))))
}

// entropy returns the bits that a character of s has on average, by the frequencies within s.
func entropy(s string) float64 {
	var counts [256]int
	for i := range len(s) {
		counts[s[i]]++
	}
	h, n := 0.0, float64(len(s))
	for _, c := range counts {
		if c > 0 {
			h -= float64(c) / n * math.Log2(float64(c)/n)
		}
	}
	return h
}
