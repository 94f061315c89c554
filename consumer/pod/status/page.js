"use strict";
// A refreshed page keeps its place on the screen, and waits while something of it is selected; where the pod does not answer, the last
// one stays, and says so. One that nobody sees asks once a minute, for its title.
(() => {
  const late = document.getElementById("late");
  let answered = new Date(), unseen = 0, busy = false;
  const refresh = async () => {
    const chosen = getSelection();
    if (busy || (!chosen.isCollapsed && chosen.containsNode(document.querySelector("main"), true))) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
      document.getElementById("build").textContent = fresh.getElementById("build").textContent;
      document.title = fresh.title;
      document.getElementById("icon").href = fresh.getElementById("icon").href;
      answered = new Date();
      late.hidden = true;
    } catch {
      document.title = "no answer · sesamy-makeas";
      const icon = document.getElementById("icon");
      icon.href = icon.dataset.gone;
      document.querySelector("main").className = "old";
      document.querySelector(".verdict").className = "verdict unknown";
      document.querySelector(".says").textContent = "Not known any more: the pod does not answer";
      if (late.hidden) late.textContent = "no answer from the pod since " + answered.toISOString().slice(11, 19) + " UTC: what follows is old";
      late.hidden = false;
    } finally {
      busy = false;
    }
  };
  // Every 5 s, as `REFRESH_S` in page.py has it for those without a script.
  setInterval(() => { if (!document.hidden || ++unseen % 12 === 0) refresh(); }, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
})();
