package clean

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var citation = regexp.MustCompile(`\[\d*\]|\[edit\]|\[citation needed\]|\[编辑\]|\[編輯\]|\[来源请求\]`)

// C4Lines returns the lines of a text that C4 keeps, trimmed, citations such as [1] and [edit] taken out. It drops lines that do not
// end in terminal punctuation, that end in an ellipsis, have fewer than three words or one of more than 1,000 characters, or speak of
// scripts, cookies and terms of use (Raffel et al. 2020, arXiv:1910.10683 §2.2; citations as datatrove).
func C4Lines(text string) string {
	if strings.IndexByte(text, '[') >= 0 {
		text = citation.ReplaceAllString(text, "")
	}
	var s Stats
	return filterLines(text, func(line string) bool {
		s.Measure(line)
		return s.C4Lines > 0
	})
}

// ContentLines returns the lines of a text without boilerplate: rows of links, share and comment buttons, copyright notices,
// newsletter and cookie banners, "read more", 上一篇, 版权所有. Only short lines that say nothing else are taken for it.
func ContentLines(text string) string {
	return filterLines(text, func(line string) bool { return !boilerplate(line) })
}

// filterLines returns the trimmed lines of a text that keep wants; of blank lines between them, one stays.
func filterLines(text string, keep func(line string) bool) string {
	var b strings.Builder
	blank := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			blank = true
			continue
		}
		if !keep(line) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
			if blank {
				b.WriteByte('\n')
			}
		}
		b.WriteString(line)
		blank = false
	}
	return b.String()
}

// maxBoilerplate is the length in code points up to which a line can be boilerplate.
const maxBoilerplate = 120

// boilerplate reports whether a trimmed line is part of a page's frame rather than of its text.
func boilerplate(line string) bool {
	n := utf8.RuneCountInString(line)
	if n > maxBoilerplate {
		return false
	}
	plain := strings.ToLower(strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '©' }))
	if plain == "" {
		return n > 3 // a rule made of symbols; short ones separate sections
	}
	for _, p := range framePrefixes {
		if strings.HasPrefix(plain, p) {
			return true
		}
	}
	if frameLines[plain] || links(line) {
		return true
	}
	for _, p := range framePhrases {
		if strings.Contains(plain, p) {
			return true
		}
	}
	return false
}

// links reports whether a line is a row of links: three short names or more between bars, arrows or dots.
func links(line string) bool {
	parts := strings.FieldsFunc(line, func(r rune) bool {
		return r == '|' || r == '»' || r == '›' || r == '·' || r == '•' || r == '｜'
	})
	if len(parts) < 3 {
		return false
	}
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if utf8.RuneCountInString(p) > 25 || strings.ContainsAny(p, ".!?。！？") {
			return false
		}
	}
	return true
}

// frameLines are boilerplate where they are all of a line.
var frameLines = func() map[string]bool {
	m := map[string]bool{}
	for p := range strings.SplitSeq(`home;menu;search;log in;login;sign in;sign up;register;subscribe;subscribe now;share;share this;share this article;share on facebook;
share on twitter;tweet;email;e-mail;print;print this page;facebook;twitter;instagram;pinterest;linkedin;whatsapp;read more;read more...;continue reading;learn more;more info;show more;load more;view all;see all;
see more;next;previous;next page;previous page;next article;previous article;back to top;back;top;skip to content;skip to main content;leave a comment;leave a reply;post a comment;add a comment;no comments;comments;
reply;report;like;follow us;follow;contact us;contact;about us;about;advertisement;advertise;advertise with us;sponsored;sponsored content;related articles;related posts;related stories;related;you may also like;
recommended for you;most popular;most read;trending;trending now;tags;categories;archives;sitemap;privacy policy;terms of service;terms of use;terms and conditions;cookie policy;accept;accept cookies;accept all cookies;
close;cancel;submit;ok;faq;help;download;click here;newsletter;advertisement - continue reading below;
首页;返回首页;返回顶部;返回列表;上一篇;下一篇;上一页;下一页;阅读全文;查看更多;更多;更多>>;展开全文;点击查看更多;点击加载更多;登录;注册;登录注册;分享;分享到;收藏;打印;打印本页;关闭;关闭窗口;评论;发表评论;我要评论;
暂无评论;举报;点赞;转发;关注;搜索;导航;网站地图;联系我们;关于我们;友情链接;免责声明;相关阅读;相关文章;相关新闻;热门推荐;猜你喜欢;推荐阅读;编辑推荐;热门文章;最新文章;广告;
首頁;返回首頁;返回頂部;上一頁;下一頁;閱讀全文;查看更多;登入;註冊;聯絡我們;關於我們;友情鏈接;相關閱讀;相關文章;發表評論`, ";") {
		m[strings.TrimSpace(p)] = true
	}
	return m
}()

// framePrefixes begin lines of boilerplate.
var framePrefixes = []string{"copyright ©", "copyright (c)", "© ", "©2", "© 2", "filed under:", "posted in:", "tags:", "share this:", "click here to", "sign up for our", "subscribe to our",
	"上一篇：", "下一篇：", "上一篇:", "下一篇:", "责任编辑：", "责任编辑:", "責任編輯", "版权所有", "版權所有", "本站所有", "copyright©"}

// framePhrases make a short line boilerplate wherever they stand in it.
var framePhrases = []string{"all rights reserved", "your email address will not be published", "required fields are marked", "we use cookies", "this site uses cookies", "powered by wordpress",
	"icp备", "icp證", "icp证", "公网安备", "未经授权不得转载", "转载请注明出处", "保留所有权利", "保留一切權利"}
