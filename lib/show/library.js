(function (w) {
	var q = w.quire = w.quire || {};
	q.queue = q.queue || [];
	if (q.draw) { q.draw(); return; }
	var charts = [];

	// A page is dark when what lies behind the chart is; a page that paints nothing follows the system.
	function dark(el) {
		for (var n = el; n; n = n.parentElement) {
			var c = getComputedStyle(n).backgroundColor.match(/[\d.]+/g);
			if (c && (c.length < 4 || +c[3] > 0.5)) return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] < 128;
		}
		return matchMedia("(prefers-color-scheme: dark)").matches;
	}
	function theme(c) { return c.spec.theme || (dark(c.el.parentElement || c.el) ? "dark" : null); }
	function paint(c) {
		if (c.chart) c.chart.dispose();
		c.theme = theme(c);
		c.chart = q.echarts.init(c.el, c.theme, {renderer: "canvas"});
		var option = c.spec.option();
		if (!c.spec.theme && !option.backgroundColor) option.backgroundColor = "transparent";
		if (c.spec.live) option.animation = false;
		c.chart.setOption(option);
	}
	function start(el, spec) {
		el.setAttribute("data-drawn", "");
		el.style.width = "100%";
		el.style.height = spec.height + "px";
		el.textContent = "";
		var c = {el: el, spec: spec};
		try { paint(c); } catch (e) { el.textContent = "chart: " + e.message; return; }
		charts.push(c);
		new ResizeObserver(function (entries, observer) {
			if (el.clientWidth) c.chart.resize();
			else if (spec.live && !el.isConnected) { observer.disconnect(); c.chart.dispose(); charts.splice(charts.indexOf(c), 1); }
		}).observe(el);
	}
	function recolour() {
		charts.forEach(function (c) { if (c.el.isConnected && theme(c) !== c.theme) paint(c); });
	}
	// A notebook may put an output into the page long after its script ran, so what is not found is looked for again.
	var waiting = new MutationObserver(function () { waiting.disconnect(); requestAnimationFrame(q.draw); });
	q.draw = function () {
		if (!q.echarts) return;
		q.queue = q.queue.filter(function (spec) {
			var found = document.querySelectorAll('[data-quire="' + spec.id + '"]:not([data-drawn])');
			found.forEach(function (el) { start(el, spec); });
			return !charts.some(function (c) { return c.spec.id === spec.id; });
		});
		if (q.queue.length) waiting.observe(document, {childList: true, subtree: true});
	};

	// The library is run as a module, so that a page's own module loader does not catch it.
	function run(source) {
		var s = document.createElement("script"), m = w.quireModule = {exports: {}};
		s.textContent = "(function(exports,module,define){" + source + "\n})(quireModule.exports,quireModule)";
		document.head.appendChild(s).remove();
		delete w.quireModule;
		q.echarts = m.exports;
		q.draw();
	}
	var packed = Uint8Array.from(atob("GZIP"), function (c) { return c.charCodeAt(0); });
	var stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
	new Response(stream).text().then(run);

	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
	new MutationObserver(recolour).observe(document.body || document.documentElement,
		{attributes: true, attributeFilter: ["class", "style", "data-jp-theme-light", "data-jp-theme-name", "data-vscode-theme-kind"]});
})(window);
