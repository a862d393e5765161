// Conveniences only: every page works without this script.
'use strict';

// Reloading a page that answered a form would send the form again.
if (document.querySelector('[data-once]')) history.replaceState(null, '', location.href);

// The server makes a form's change only once, but a second submission while the first is running would lose its answer.
const RUNNING_MS = 5000;
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post') return;
  if (Date.now() - Number(form.dataset.sent ?? 0) < RUNNING_MS) event.preventDefault();
  else form.dataset.sent = Date.now();
});
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[data-sent]')) delete form.dataset.sent;
});

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-copy]');
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(field.value ?? field.textContent);
    button.textContent = 'Copied';
  } catch {
    field.select?.();
    button.textContent = 'Press Ctrl+C';
  }
});

// A checkbox that selects or clears a whole list.
for (const all of document.querySelectorAll('input[data-all]')) all.hidden = false;
document.addEventListener('change', (event) => {
  const all = event.target.closest('input[data-all]');
  if (!all) return;
  for (const box of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
});

// Refreshes marked parts every few seconds while the page is visible.
for (const part of document.querySelectorAll('[data-live]')) {
  setInterval(async () => {
    if (document.hidden || part.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(part.id);
      if (answer.ok && fresh && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
    } catch {
      // The server is unavailable: try again next time.
    }
  }, Number(part.dataset.live) * 1000);
}
