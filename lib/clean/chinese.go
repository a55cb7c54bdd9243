package clean

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	webText = "ChineseWebText: Chen et al. 2023, arXiv:2311.01149 §3"
	counter = "Quire: the Chinese counterpart of a rule of Gopher's; the four classic novels lie within"
)

// Chinese returns the rules for texts that are Chinese, as language identification finds them: the counterpart of Gopher's, which
// count English words. They hold for both scripts; narrow "chinese.traditional" to choose one: With(0, 0.1) keeps simplified texts,
// With(0.9, 1) traditional ones, and what lies between is mixed.
func Chinese() Rules {
	return Rules{
		{"chinese.characters", 200, none, webText, func(s *Stats) float64 { return float64(s.Ideographs) }},
		{"chinese.share", 0.3, none, webText, func(s *Stats) float64 { return per(s.Ideographs, s.han().visible) }},
		{"chinese.line_length", 10, none, webText, func(s *Stats) float64 { return per(s.LineChars, s.Lines) }},
		{"chinese.dup_13_grams", -none, 0.5, webText, func(s *Stats) float64 { return per(s.DupGram(13), s.Chars) }},
		{"chinese.punctuation", 0.02, 0.35, counter, func(s *Stats) float64 { return per(s.han().punctuation, s.han().visible) }},
		{"chinese.function_words", 2, none, counter, func(s *Stats) float64 { return float64(s.han().functionWords) }},
		{"chinese.ads_per_line", -none, 0.5, webText, func(s *Stats) float64 { return per(s.han().ads, s.Lines) }},
		{"chinese.traditional", 0, 1, counter, func(s *Stats) float64 { return per(s.han().traditional, s.han().simplified+s.han().traditional) }},
	}
}

// hanStats is what only the Chinese rules ask.
type hanStats struct {
	known         bool
	visible       int // code points that are no space
	punctuation   int
	functionWords int // different ones of eight: 的 是 在 不 了 和 有 这
	ads           int // phrases of advertisements
	simplified    int
	traditional   int
}

// han takes the numbers of the text that was measured, once.
func (s *Stats) han() *hanStats {
	h := &s.chinese
	if h.known {
		return h
	}
	h.known = true
	var words uint8
	for i, r := range s.text {
		switch {
		case r >= hanFirst && r <= hanLast:
			h.visible++
			words |= functionWord(r)
			if adStarts[r] {
				h.ads += adPhrase(s.text[i:])
			}
		case r < utf8.RuneSelf && byteClass[r] >= classDigit:
			h.visible++
		case !unicode.IsSpace(r):
			h.visible++
			if unicode.IsPunct(r) {
				h.punctuation++
			}
		}
	}
	h.functionWords = bits.OnesCount8(words)
	h.simplified, h.traditional = Script(s.text)
	return h
}

// functionWord returns the bit of one of eight characters that Chinese prose cannot do without, in either script.
func functionWord(r rune) uint8 {
	switch r {
	case '的':
		return 1
	case '是':
		return 2
	case '在':
		return 4
	case '不':
		return 8
	case '了':
		return 16
	case '和', '与', '與':
		return 32
	case '有':
		return 64
	case '这', '這':
		return 128
	}
	return 0
}

// adPhrases are words that advertisements and spam repeat and prose rarely has.
var adPhrases = strings.Fields(`
	加微信 加我微信 微信号 微信公众号 微信扫码 扫码关注 扫描二维码 关注公众号 关注我们 客服QQ 客服热线 咨询热线 咨询电话 联系电话 免费咨询
	在线咨询 点击咨询 立即咨询 立即购买 立即下载 立即注册 立即抢购 点击购买 点击下载 点击领取 点击查看 点击进入 限时优惠 限时抢购 优惠券 包邮
	全国包邮 货到付款 厂家直销 批发价格 价格优惠 量大从优 欢迎选购 欢迎来电 欢迎咨询 代开发票 办理贷款 无抵押贷款 信用卡套现 兼职招聘 日赚 月入过万
	稳赚不赔 注册送 首充 返利 返现 彩票平台 时时彩 六合彩 真人娱乐 娱乐城 网上赌场 棋牌游戏 免费试听 免费领取 招商加盟 加盟热线 诚招代理 网站建设
	网站优化 关键词排名 刷单 代写论文 增高丰胸 减肥产品 祖传秘方 加微信領取 掃碼關注 關注我們 點擊購買 點擊下載 立即購買 立即註冊 免費諮詢 限時優惠 貨到付款 線上娛樂`)

var adStarts = func() map[rune]bool {
	m := map[rune]bool{}
	for _, p := range adPhrases {
		r, _ := utf8.DecodeRuneInString(p)
		m[r] = true
	}
	return m
}()

// adPhrase returns 1 if the text begins with a phrase of advertisements, else 0.
func adPhrase(text string) int {
	for _, p := range adPhrases {
		if strings.HasPrefix(text, p) {
			return 1
		}
	}
	return 0
}
