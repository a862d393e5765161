// Conveniences only: every page works without.
'use strict';

// A page that answered a form would send the form again when it is loaded again.
if (document.querySelector('[data-once]')) history.replaceState(null, '', location.href);

// A form that is sent again while the answer is on its way is done once all the same, but the answer would be lost.
const ON_ITS_WAY = 5000;
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post') return;
  if (Date.now() - Number(form.dataset.sent ?? 0) < ON_ITS_WAY) event.preventDefault();
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

// Selects or clears all of a list.
for (const all of document.querySelectorAll('input[data-all]')) all.hidden = false;
document.addEventListener('change', (event) => {
  const all = event.target.closest('input[data-all]');
  if (!all) return;
  for (const box of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
});

// What is marked so is fetched anew every few seconds while the page is looked at.
for (const part of document.querySelectorAll('[data-live]')) {
  setInterval(async () => {
    if (document.hidden || part.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(part.id);
      if (answer.ok && fresh && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
    } catch {
      // The server is away; the next time may do.
    }
  }, Number(part.dataset.live) * 1000);
}
