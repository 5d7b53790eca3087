#!/usr/bin/env bash
# Made from platform.yaml by "python manage.py export_platform cloudrun".
# Change platform.yaml and make it again, not this file.
# May be run again, after every export.
# Needs PROJECT, REGION and SCHEDULER_ACCOUNT (a service account that may run the jobs).
set -euo pipefail
export CLOUDSDK_RUN_REGION="$REGION"

schedule() {
    local name=$1 verb=create
    shift
    local place=(--project "$PROJECT" --location "$REGION")
    if gcloud scheduler jobs describe "$name" "${place[@]}" >/dev/null 2>&1; then verb=update; fi
    gcloud scheduler jobs "$verb" http "$name" "$@" "${place[@]}" \
        --http-method POST --oauth-service-account-email "$SCHEDULER_ACCOUNT"
}

gcloud secrets describe DATABASE_URL --project "$PROJECT" >/dev/null  # make it first: gcloud secrets create
gcloud secrets describe REDIS_URL --project "$PROJECT" >/dev/null  # make it first: gcloud secrets create
gcloud secrets describe SECRET_KEY --project "$PROJECT" >/dev/null 2>&1 || python3 -c "import secrets; print(secrets.token_urlsafe(50))" | tr -d '\n' |
    gcloud secrets create SECRET_KEY --project "$PROJECT" --data-file=-
gcloud secrets describe ALLOWED_HOSTS --project "$PROJECT" >/dev/null  # make it first: gcloud secrets create
gcloud secrets describe STRIPE_KEY --project "$PROJECT" >/dev/null  # make it first: gcloud secrets create
gcloud run jobs replace deploy/cloudrun/job-release.yaml --project "$PROJECT" --region "$REGION"
gcloud run jobs replace deploy/cloudrun/job-every-minute.yaml --project "$PROJECT" --region "$REGION"
gcloud run jobs replace deploy/cloudrun/job-weekly-digest.yaml --project "$PROJECT" --region "$REGION"
gcloud run jobs replace deploy/cloudrun/job-night-shift.yaml --project "$PROJECT" --region "$REGION"
gcloud run jobs replace deploy/cloudrun/job-jittered.yaml --project "$PROJECT" --region "$REGION"
gcloud run jobs replace deploy/cloudrun/job-month-end.yaml --project "$PROJECT" --region "$REGION"
gcloud run jobs replace deploy/cloudrun/job-office-hours.yaml --project "$PROJECT" --region "$REGION"
gcloud run jobs execute bakery-release --wait --project "$PROJECT" --region "$REGION"
gcloud run services replace deploy/cloudrun/web.yaml --project "$PROJECT" --region "$REGION"
gcloud run worker-pools replace deploy/cloudrun/worker.yaml --project "$PROJECT"
gcloud run worker-pools replace deploy/cloudrun/mailer.yaml --project "$PROJECT"
schedule bakery-every-minute --schedule '* * * * *' --time-zone 'UTC' --uri "https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/bakery-every-minute:run"
schedule bakery-weekly-digest --schedule '0 9 * * 1' --time-zone 'Europe/Berlin' --uri "https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/bakery-weekly-digest:run"
schedule bakery-night-shift --schedule '30 6,7 * * 0,5,6' --time-zone 'UTC' --uri "https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/bakery-night-shift:run"
schedule bakery-night-shift-2 --schedule '0 7 8-14 3 *' --time-zone 'UTC' --uri "https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/bakery-night-shift:run"
schedule bakery-jittered --schedule '26 6 * * *' --time-zone 'UTC' --uri "https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/bakery-jittered:run"
schedule bakery-month-end --schedule '45 23 28-31 * *' --time-zone 'Asia/Kolkata' --uri "https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/bakery-month-end:run"
schedule bakery-office-hours --schedule '*/15 9-17 * * 1-5' --time-zone 'Europe/London' --uri "https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/bakery-office-hours:run"
